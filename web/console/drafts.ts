/** What was typed and not sent: it survives a reload of this tab, and goes with the person who has typed it. */

const PREFIX = "draft/";

/** Empty where nothing is kept, or where storage is forbidden. */
export function readDraft(name: string): string {
  try {
    return sessionStorage.getItem(PREFIX + name) ?? "";
  } catch {
    return "";
  }
}

/** An empty text is not kept. Where storage is forbidden, drafts are lost when the page closes. The bar says so. */
export function keepDraft(name: string, text: string): void {
  try {
    if (text) sessionStorage.setItem(PREFIX + name, text);
    else sessionStorage.removeItem(PREFIX + name);
  } catch {
    // See above.
  }
}

export function forgetDrafts(): void {
  try {
    for (const key of Object.keys(sessionStorage)) if (key.startsWith(PREFIX)) sessionStorage.removeItem(key);
  } catch {
    // There are none.
  }
}
