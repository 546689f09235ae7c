import type { ComponentChildren } from "preact";
import { t } from "./i18n.js";
import { Icon } from "./icon.js";

let shown: HTMLDialogElement | null = null;

function show(dialog: HTMLDialogElement | null): void {
  if (dialog) dialog.showModal();
  else shown?.close();
  shown = dialog;
}

/**
 * A modal dialog of the browser: it keeps the focus, closes by Escape, and gives the focus back. One at a time. The rest
 * of the document is inert then, so the dialog has regions of its own for `announce`.
 */
export function Dialog(props: { title: string; onClose: () => void; children: ComponentChildren }) {
  return (
    <dialog ref={show} aria-labelledby="dialog-title" onClose={props.onClose}>
      <div class="row">
        <h2 id="dialog-title">{props.title}</h2>
        <button type="button" class="plain" aria-label={t("menu.close")} onClick={props.onClose}>
          <Icon name="close" />
        </button>
      </div>
      {props.children}
      <p class="unseen" role="status" />
      <p class="unseen" role="alert" />
    </dialog>
  );
}

/** A question before something that cannot be undone. The safe answer comes first and has the focus. */
export function Question(props: {
  title: string;
  text: string;
  yes: string;
  no: string;
  onYes: () => void;
  onNo: () => void;
}) {
  return (
    <Dialog title={props.title} onClose={props.onNo}>
      <p>{props.text}</p>
      <div class="answers">
        <button type="button" autofocus onClick={props.onNo}>
          {props.no}
        </button>
        <button type="button" class="strong" onClick={props.onYes}>
          {props.yes}
        </button>
      </div>
    </Dialog>
  );
}
