/** The keyboard. Single keys count outside text fields; with Alt they count everywhere. */
import {
  closeHistory,
  closeSoon,
  composer,
  dismiss,
  focusComposer,
  isDialogOpen,
  open,
  openHandOver,
  openIncident,
  openMostUrgent,
  takeNext,
  toggleHistory,
  toggleWaiting,
  undoClose,
} from "./live.js";
import { toggleMap } from "./map-pane.js";
import { isLiveShown } from "./router.js";
import { myChats, state, update } from "./state.js";

export function watchKeys(): void {
  addEventListener("keydown", (key) => {
    if (state.screen !== "in" || key.ctrlKey || key.metaKey || key.isComposing) return;
    if (isDialogOpen()) return;
    const isWriting = (key.target as Element).matches?.("input, textarea, select");
    if (isWriting && !key.altKey) return;
    const name = nameOf(key);
    if (name === "?") update({ dialog: "keys" });
    else if (!isLiveShown() || !act(name)) return;
    key.preventDefault();
  });
}

/** The letter of the key, also on keyboards that have no Latin letters and with Alt held. */
export function nameOf({ key, code, altKey }: KeyboardEvent): string {
  if (!altKey && (/^[\x21-\x7e]$/.test(key) || key.length > 1)) return key.toLowerCase();
  return code.replace(/^(Key|Digit|Numpad)/, "").toLowerCase();
}

/** Does what a key stands for. False: the key is not ours. */
function act(key: string): boolean {
  const { selected } = state;
  if (/^[1-9]$/.test(key)) {
    const chat = myChats()[Number(key) - 1];
    if (chat) open(chat.id);
    return chat !== undefined;
  }
  const actions: Record<string, () => unknown> = {
    n: takeNext,
    w: toggleWaiting,
    j: openMostUrgent,
    r: focusComposer,
    h: openHandOver,
    i: openIncident,
    p: toggleHistory,
    m: toggleMap,
    c: () => selected && closeSoon(selected),
    z: undoLast,
    arrowdown: () => move(1),
    arrowup: () => move(-1),
    "/": beginCanned,
    escape: leave,
  };
  if (!Object.hasOwn(actions, key)) return false;
  actions[key]?.();
  return true;
}

function move(step: number): void {
  const chats = myChats();
  const at = chats.findIndex(({ id }) => id === state.selected);
  const next = chats[at < 0 ? (step > 0 ? 0 : chats.length - 1) : (at + step + chats.length) % chats.length];
  // The arrows look through the chats; who wants to write presses R.
  if (next) open(next.id, document.activeElement?.matches("textarea"));
}

function undoLast(): void {
  const last = [...state.closing.keys()].at(-1);
  if (!last) return;
  undoClose(last);
  open(last);
}

function beginCanned(): void {
  const field = composer();
  if (!field || field.readOnly) return;
  field.focus();
  if (field.value) return;
  field.value = "/";
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

/**
 * Esc leaves one thing after the other: a dialog that is still loading, the earlier chats, what is said, a chat that
 * has ended, the chat.
 */
function leave(): void {
  const { selected } = state;
  if (state.dialog) update({ dialog: undefined });
  else if (state.history) closeHistory();
  else if (state.notice) update({ notice: undefined });
  else if (selected && state.gone.has(selected)) dismiss(selected);
  else if (selected) open(undefined, false);
}
