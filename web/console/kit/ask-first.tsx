/** A button for what cannot be undone: it asks first, and says beside it why it has failed. */
import { useState } from "preact/hooks";
import { Question } from "../../ui/dialog.js";
import { t } from "../texts.js";
import { useAction } from "./action.js";
import { ProblemLine } from "./parts.js";

interface AskFirstProps {
  label: string;
  /** What the button is about, where its label alone does not say it. */
  name?: string;
  class?: string;
  /** The question, and what goes with it. */
  title: string;
  text: string;
  /** The answers. Without words of their own, the label and "Cancel". */
  yes?: string;
  no?: string;
  /** What is done after a yes. */
  work(): Promise<void>;
}

export function AskFirst(props: AskFirstProps) {
  const { label, name, title, text, yes = label, no = t("form.cancel"), work } = props;
  const [isAsking, setAsking] = useState(false);
  const { busy, problem, run } = useAction();
  const answer = () => {
    setAsking(false);
    void run(work);
  };
  return (
    <>
      {problem && <ProblemLine text={problem} />}
      <button type="button" class={props.class} aria-label={name} disabled={busy} onClick={() => setAsking(true)}>
        {label}
      </button>
      {isAsking && (
        <Question title={title} text={text} yes={yes} no={no} onYes={answer} onNo={() => setAsking(false)} />
      )}
    </>
  );
}
