/** Urgent texts that are not shown yet. */
const urgentTexts: string[] = [];

/**
 * Says aloud, by a screen reader, what has changed without the person doing anything. `urgent` interrupts: that is for
 * what the team writes, and nothing else. Of several urgent texts in one task all are said, of others the last.
 */
export function announce(text: string, urgent = false): void {
  if (!urgent) show("status", text);
  else if (urgentTexts.push(text) === 1) queueMicrotask(() => show("alert", urgentTexts.splice(0).join(". ")));
}

/** The regions are the unseen ones of the document, there from the start, and those of the dialog that is open. */
function show(role: "status" | "alert", text: string): void {
  for (const region of document.querySelectorAll(`.unseen[role=${role}]`)) {
    // The same text again would not be a change.
    region.textContent = region.textContent === text ? `${text}\u00a0` : text;
  }
}
