/** Where answers are written. What is not sent yet survives a reload. */

import type { ChatView } from "@mayday/client";
import { Icon } from "../ui/icon.js";
import { keepDraft, readDraft } from "./drafts.js";
import { composer, dismiss, focusComposer, session } from "./live.js";
import { nameOf } from "./person.js";
import { type Gone, isLive, state, update } from "./state.js";
import { type TextKey, t } from "./texts.js";

/** A frame has 16 KiB: in any script, this many characters. */
const LONGEST = 4000;
const CANNED: TextKey[] = [
  "canned.here",
  "canned.hurt",
  "canned.where",
  "canned.stay",
  "canned.coming",
  "canned.describe",
  "canned.quiet",
  "canned.call",
  "canned.close",
];

/**
 * When a chat ends, its field cannot be changed any more. It stays while it has text that was not sent, or the focus:
 * otherwise the next sentence would count as keys, which may open another chat.
 */
export function Composer({ chat, gone }: { chat: ChatView; gone: Gone | undefined }) {
  const submit = (submit: SubmitEvent) => {
    submit.preventDefault();
    send(chat.id, (submit.currentTarget as HTMLFormElement).querySelector("textarea"));
    focusComposer();
  };
  return (
    <form class="foot composer" key={chat.id} onSubmit={submit}>
      {gone && (
        <div class="row spread" role="status">
          <p>{t(`gone.${gone}`, { name: nameOf(chat) })}</p>
          <button type="button" onClick={() => dismiss(chat.id)}>
            {t("gone.dismiss")}
          </button>
        </div>
      )}
      {!gone && !isLive() && <p class="faint">{t("chat.later")}</p>}
      {state.canned && <Canned chatId={chat.id} canned={state.canned} />}
      {(!gone || readDraft(chat.id) || hasFocus(chat.id)) && (
        <div class="row tight">
          <textarea
            class="grow"
            ref={(field) => restore(field, chat.id)}
            aria-label={t("chat.answer")}
            aria-autocomplete="list"
            {...(state.canned && { "aria-controls": "canned", "aria-activedescendant": `canned-${state.canned.at}` })}
            placeholder={t("chat.placeholder")}
            dir="auto"
            readOnly={Boolean(gone)}
            rows={2}
            maxLength={LONGEST}
            onKeyDown={(key) => typeKey(key, chat.id)}
            onInput={(input) => typed(input.currentTarget, chat.id)}
            onBlur={() => state.canned && update({ canned: undefined })}
          />
          <button type="submit" class="strong" disabled={Boolean(gone)} aria-label={t("chat.send")}>
            <Icon name="send" />
          </button>
        </div>
      )}
    </form>
  );
}

function Canned({ chatId, canned }: { chatId: string; canned: NonNullable<typeof state.canned> }) {
  // The mouse must not take the focus from the field: the list would be gone before the click.
  const choose = (mouse: MouseEvent, key: TextKey) => {
    mouse.preventDefault();
    take(chatId, composer(), key);
  };
  return (
    <div id="canned" class="canned" role="listbox" aria-label={t("canned.label")}>
      {canned.found.map((key, index) => (
        <div
          key={key}
          id={`canned-${index}`}
          role="option"
          tabIndex={-1}
          aria-selected={index === canned.at}
          onMouseDown={(mouse) => choose(mouse, key)}
        >
          {t(key)}
        </div>
      ))}
    </div>
  );
}

/** A field that has just come is filled with what was written in it before. */
function restore(field: HTMLTextAreaElement | null, chatId: string): void {
  if (!field || field.dataset.chat === chatId) return;
  field.dataset.chat = chatId;
  field.value = readDraft(chatId);
}

/** Only the field has `data-chat`. */
function hasFocus(chatId: string): boolean {
  return (document.activeElement as HTMLElement | null)?.dataset.chat === chatId;
}

function typed(field: HTMLTextAreaElement, chatId: string): void {
  const { value } = field;
  keepDraft(chatId, value);
  const wanted = /^\/(.*)$/.exec(value)?.[1]?.trim().toLocaleLowerCase();
  if (wanted === undefined) {
    if (value) session?.typing(chatId);
    if (state.canned || state.dialog) update({ canned: undefined, dialog: undefined });
    return;
  }
  const found = CANNED.filter((key) => t(key).toLocaleLowerCase().includes(wanted));
  update({ canned: found.length ? { found, at: 0 } : undefined, dialog: undefined });
}

function typeKey(key: KeyboardEvent, chatId: string): void {
  const field = key.currentTarget as HTMLTextAreaElement;
  const { canned } = state;
  if (key.isComposing || key.altKey || key.ctrlKey || key.metaKey) return;
  if (canned) {
    const { found, at } = canned;
    const step = { ArrowDown: 1, ArrowUp: -1 }[key.key];
    if (step) update({ canned: { found, at: (at + step + found.length) % found.length } });
    else if (key.key === "Escape") update({ canned: undefined });
    else if ((key.key === "Enter" || key.key === "Tab") && found[at]) take(chatId, field, found[at]);
    else return;
    key.preventDefault();
    key.stopPropagation();
  } else if (key.key === "Enter" && !key.shiftKey) {
    key.preventDefault();
    send(chatId, field);
  } else if (key.key === "Escape") {
    field.blur();
    key.stopPropagation();
  }
}

/** Puts a canned answer into the field: it can still be changed. */
function take(chatId: string, field: HTMLTextAreaElement | null, key: TextKey): void {
  if (!field) return;
  field.value = t(key);
  keepDraft(chatId, field.value);
  session?.typing(chatId);
  update({ canned: undefined });
}

function send(chatId: string, field: HTMLTextAreaElement | null): void {
  const text = field?.value.trim();
  if (!field || field.readOnly || !text || !session) return;
  void session.send(chatId, text);
  field.value = "";
  keepDraft(chatId, "");
  update({ canned: undefined });
}
