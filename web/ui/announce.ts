/**
 * Says aloud, by a screen reader, what has changed without the person doing anything. `urgent` interrupts: that is for
 * what the team writes, and nothing else. Both elements are in the document from the start.
 */
export function announce(text: string, urgent = false): void {
  const region = document.getElementById(urgent ? "announce-urgent" : "announce");
  if (!region) return;
  // The same text again would not be a change.
  region.textContent = region.textContent === text ? `${text}\u00a0` : text;
}
