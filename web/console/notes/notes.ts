/** What the service's notes in chats say, in the language of the page. */
import { type NoteKey, t } from "./texts.js";

const NOTES: [RegExp, NoteKey][] = [
  [/^your organizer has lost the connection/, "note.lost"],
  [/^an organizer is with you now\.$/, "note.taken-by-somebody"],
  [/^(?<name>.+) is with you now\.$/, "note.taken"],
  [/^a colleague takes over this chat\.$/, "note.handed-over"],
  [/^the guest has signed in as (?<email>.+)\.$/, "note.signed-in-as"],
  [/^the guest has signed in\.$/, "note.signed-in"],
];

/** A note that is not known here is shown as it is, without the name of the service before it. */
export function noteOf(content: string): string {
  const said = content.replace(/^Mayday: /, "");
  for (const [pattern, key] of NOTES) {
    const found = pattern.exec(said);
    if (found) return t(key, found.groups);
  }
  return said;
}
