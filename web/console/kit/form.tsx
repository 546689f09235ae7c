/** Forms: what the service refuses stands at the field it is about, and what is not sent survives a reload. */

import { ApiError } from "@mayday/client";
import { type ComponentChildren, createContext } from "preact";
import { useContext, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Icon } from "../../ui/icon.js";
import { keepDraft, readDraft } from "../drafts.js";
import { notice } from "../notice.js";
import { go } from "../router.js";
import { t } from "../texts.js";
import { problemOf, suspectSignIn } from "./load.js";
import { ruleOf } from "./rules.js";

/** The messages of the service by the name of the field; "" has those that are about none. */
type Problems = ReadonlyMap<string, string[]>;

const FormContext = createContext<{ problems: Problems; busy: boolean }>({ problems: new Map(), busy: false });

/** Something that is wrong before it is sent. */
export class FieldError extends Error {
  readonly field: string;

  constructor(field: string, message: string) {
    super(message);
    this.field = field;
  }
}

/** Several things that are wrong: each is said at its field. */
export class FieldErrors extends Error {
  readonly errors: readonly FieldError[];

  constructor(errors: readonly FieldError[]) {
    super(errors.map(({ message }) => message).join(" "));
    this.errors = errors;
  }
}

/** What was typed, by the name of the field. A field that is empty is there, and empty. */
export type Values = Record<string, string>;

interface FormProps {
  /** What is typed is kept under this name until it was sent. One name per form and row: "events/new", "events/7". */
  draft: string;
  submitLabel: string;
  /**
   * Sends what was typed. When it throws, the form stays as it is and says why. If it returns an address, the form leads
   * there, unless the person has left it meanwhile.
   */
  onSubmit(values: Values): Promise<string> | Promise<void>;
  /** Changes of these words to a field's name, where the service's name differs: `{"owner.email": "email"}`. */
  names?: Record<string, string>;
  onCancel?: () => void;
  children: ComponentChildren;
}

export function Form({ draft, submitLabel, onSubmit, names = {}, onCancel, children }: FormProps) {
  const [state, setState] = useState<{ problems: Problems; busy: boolean }>({ problems: new Map(), busy: false });
  const form = useRef<HTMLFormElement>(null);
  // Before anybody sees the form: what is typed into it at once must not be overwritten.
  useLayoutEffect(() => restore(form.current, draft), [draft]);
  useEffect(() => {
    if (state.problems.size) form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
  }, [state.problems]);
  const submit = async (submit: SubmitEvent) => {
    submit.preventDefault();
    if (!form.current || state.busy) return;
    const values = valuesOf(form.current);
    const before = readDraft(draft);
    setState({ problems: new Map(), busy: true });
    try {
      const next = await onSubmit(values);
      // What was typed meanwhile, perhaps after the form was left and opened again, is not sent.
      if ((form.current && next) || readDraft(draft) === before) keepDraft(draft, "");
      if (!form.current) return;
      setState({ problems: new Map(), busy: false });
      if (next) go(next, { replace: true });
    } catch (error) {
      suspectSignIn(error);
      const problems = problemsOf(error, Object.keys(values), names);
      setState({ problems, busy: false });
      // Whoever has left the form would not be told.
      if (!form.current) notice(`${submitLabel}: ${ruleOf([...problems.values()].flat())}`);
    }
  };
  const keep = () => form.current && keepDraft(draft, draftOf(valuesOf(form.current)));
  const cancel = () => {
    keepDraft(draft, "");
    onCancel?.();
  };
  return (
    <FormContext.Provider value={state}>
      <form ref={form} class="form stack" noValidate onSubmit={submit} onInput={keep}>
        {children}
        <div role="alert">
          <Problem of="" />
        </div>
        <div class="row">
          <button type="submit" class="strong" disabled={state.busy}>
            {submitLabel}
          </button>
          {onCancel && (
            <button type="button" onClick={cancel}>
              {t("form.cancel")}
            </button>
          )}
        </div>
      </form>
    </FormContext.Provider>
  );
}

interface FieldProps {
  name: string;
  label: string;
  /** What helps to fill the field in. */
  hint?: string;
  value?: string | undefined;
  type?: "text" | "email" | "password" | "tel" | "url" | "number" | "datetime-local" | "search";
  autocomplete?: string;
  /** More than one line. */
  long?: boolean;
  /** Values to choose from, each with its label. */
  options?: readonly (readonly [string, string])[];
  disabled?: boolean;
  required?: boolean;
}

export function Field(props: FieldProps) {
  const {
    name,
    label,
    hint,
    value = "",
    type = "text",
    autocomplete = "off",
    long,
    options,
    disabled,
    required,
  } = props;
  const { problems } = useContext(FormContext);
  const isWrong = problems.has(name);
  const describedBy = [hint && `${name}-hint`, isWrong && `${name}-problem`].filter(Boolean).join(" ");
  const shared = {
    id: `field-${name}`,
    name,
    disabled,
    "aria-required": required,
    "aria-invalid": isWrong,
    ...(describedBy && { "aria-describedby": describedBy }),
  };
  return (
    <div class="field">
      <label for={`field-${name}`}>{label}</label>
      {options ? (
        <select {...shared} defaultValue={value}>
          {options.map(([choice, text]) => (
            <option key={choice} value={choice} selected={choice === value}>
              {text}
            </option>
          ))}
        </select>
      ) : long ? (
        <textarea {...shared} defaultValue={value} rows={3} dir="auto" />
      ) : (
        <input {...({ ...shared, type } as object)} defaultValue={value} autocomplete={autocomplete} dir="auto" />
      )}
      {hint && (
        <p id={`${name}-hint`} class="faint">
          {hint}
        </p>
      )}
      <Problem of={name} />
    </div>
  );
}

function Problem({ of }: { of: string }) {
  const texts = useContext(FormContext).problems.get(of);
  if (!texts) return null;
  return (
    <p id={`${of}-problem`} class="problem">
      <Icon name="warning" />
      <span>{ruleOf(texts)}</span>
    </p>
  );
}

function valuesOf(form: HTMLFormElement): Values {
  const entries = [...new FormData(form)].filter((entry): entry is [string, string] => typeof entry[1] === "string");
  return Object.fromEntries(entries);
}

/** A message begins with the name of the field that it is about, or names it: "Email is already taken". */
function problemsOf(error: unknown, fields: string[], names: Record<string, string>): Problems {
  if (error instanceof FieldError) return new Map([[error.field, [error.message]]]);
  if (error instanceof FieldErrors) return new Map(error.errors.map(({ field, message }) => [field, [message]]));
  const problems = new Map<string, string[]>();
  const isRefusal = error instanceof ApiError && error.status >= 400 && error.status < 500;
  const messages = isRefusal && ![401, 403, 404, 429].includes(error.status) ? error.messages : [problemOf(error)];
  for (const message of messages) {
    const [word = ""] = message.split(" ");
    const named = names[word] ?? fields.find((field) => field.toLowerCase() === word.toLowerCase()) ?? "";
    problems.set(named, [...(problems.get(named) ?? []), message]);
  }
  return problems;
}

/** Passwords and codes are not kept. */
function draftOf(values: Values): string {
  const kept = Object.entries(values).filter(([name]) => !/password|code/i.test(name));
  return JSON.stringify(Object.fromEntries(kept));
}

function restore(form: HTMLFormElement | null, draft: string): void {
  const values: Values = JSON.parse(readDraft(draft) || "{}");
  for (const [name, value] of Object.entries(values)) {
    const field = form?.elements.namedItem(name);
    if (
      field instanceof HTMLInputElement ||
      field instanceof HTMLTextAreaElement ||
      field instanceof HTMLSelectElement
    ) {
      field.value = value;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
  }
}
