/** Keys of a screen beside the live side: single keys outside text fields, with Alt everywhere. */
import { useEffect, useRef } from "preact/hooks";
import { nameOf } from "../keys.js";

/** `actions` by the name of the key, in lower case. Escape leaves a field before it does anything else. */
export function useKeys(actions: Record<string, () => void>): void {
  const current = useRef(actions);
  current.current = actions;
  useEffect(() => {
    const pressed = (key: KeyboardEvent) => {
      if (key.defaultPrevented || key.ctrlKey || key.metaKey || key.shiftKey || key.isComposing) return;
      if (document.querySelector("dialog[open]")) return;
      const name = nameOf(key);
      const field = (key.target as Element).closest?.<HTMLElement>("input, textarea, select");
      if (field && name === "escape") return field.blur();
      // With Alt, the arrows belong to the browser.
      if (key.altKey ? name.length > 1 : field) return;
      if (!Object.hasOwn(current.current, name)) return;
      key.preventDefault();
      current.current[name]?.();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}

/** Puts the focus on the next element, or on the one before. From elsewhere it goes to the first or the last. */
export function moveFocus(selector: string, step: 1 | -1): void {
  const elements = [...document.querySelectorAll<HTMLElement>(selector)];
  const at = elements.indexOf(document.activeElement as HTMLElement);
  const next = at < 0 ? elements.at(step > 0 ? 0 : -1) : elements[at + step];
  next?.focus();
}

/** How a list was left for one of its rows: who comes back finds it as it was, and goes on from there. */
export interface Left {
  address: string;
  /** The id of the row's link. */
  row?: string | undefined;
}

/** Puts the focus back on the row. For the component that renders the rows. */
export function useReturn(left: Left): void {
  useEffect(() => {
    document.getElementById(left.row ?? "")?.focus();
    left.row = undefined;
  }, [left]);
}
