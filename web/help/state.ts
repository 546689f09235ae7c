/** All that the phone page shows, in one place. Every change renders the page anew. */
import type {
  AccountSnapshot,
  ChatView,
  Press,
  PressSnapshot,
  PublicEvent,
  RequestDetails,
  Session,
  SessionSnapshot,
} from "@mayday/client";
import type { Device } from "./device.js";
import type { Fix } from "./location.js";
import type { AccountForm, MenuKey } from "./menu.js";

export interface State {
  eventId: number | undefined;
  /** The event of `eventId`: not known yet, not there, not to be had now, or there. */
  event?: PublicEvent | "unknown" | "unavailable" | undefined;
  presses: PressSnapshot;
  account: AccountSnapshot;
  live?: SessionSnapshot | undefined;
  online: boolean;
  /** The service did not answer the last time it was asked. */
  unanswered: boolean;
  /** The settings are open, and perhaps one of their forms. */
  menu: { form?: AccountForm | undefined; error?: MenuKey | undefined; busy?: boolean } | undefined;
  /** What must not be done by accident waits for a yes. */
  question?: "take-back" | "safe" | undefined;
  /** What was entered about a request and is not sent yet. */
  details: RequestDetails;
  find: { query: string; events?: PublicEvent[] | "unavailable"; near?: Fix; noPosition?: boolean };
  /** The position is shared while the chat is open. `sent` is the last one. */
  sharing?: { chatId: string; sent?: Fix } | undefined;
}

/** Set once, before the first rendering. */
export let device: Device;
export let session: Session | undefined;
export let state: State;

let render = () => {};
let scheduled = false;

export function begin(here: Device, first: State, renderPage: () => void): void {
  device = here;
  state = first;
  render = renderPage;
}

export function setSession(now: Session | undefined): void {
  session = now;
}

export function update(change: Partial<State> = {}): void {
  Object.assign(state, change);
  if (scheduled) return;
  scheduled = true;
  queueMicrotask(() => {
    scheduled = false;
    render();
  });
}

/** The press for the event of the page. */
export function currentPress(): Press | undefined {
  return state.presses.presses.find((press) => press.eventId === state.eventId);
}

export function isOpen(press: Press | undefined): press is Press {
  return press !== undefined && press.step !== "ended" && press.step !== "failed";
}

/** The chat of the current press, and only that one: an older chat for the same event is over. */
export function currentChat(): ChatView | undefined {
  const chatId = currentPress()?.chatId;
  return state.live?.chats.find((chat) => chat.id === chatId);
}

/** What is kept here is lost when the page is closed. */
export function isForgetful(): boolean {
  return !state.presses.persistent || state.live?.persistent === false;
}

/** The number to call, if the agency publishes one. */
export function helpNumber(): string | undefined {
  return typeof state.event === "object" ? state.event.helpPhoneNumber : undefined;
}
