/** All that the console shows, in one place. Every change renders the page anew. */
import type { ChatView, SessionSnapshot, User } from "@mayday/client";
import { saveSetting, setting } from "../ui/language.js";
import type { TextKey } from "./texts.js";

/** A problem with a form, and the field that it is about. `text` is what the service says in its own words. */
export interface Problem {
  field: "email" | "password" | "code" | "form";
  key?: TextKey;
  text?: string;
}

/** Why a chat is not this person's any more. */
export type Gone = "closed" | "requeued" | "transferred";

export interface Notice {
  text: string;
  /** Where more of it is: what the link says, and the address. */
  link?: [string, string] | undefined;
}

export interface SignIn {
  busy: boolean;
  problems: Problem[];
  /** The person has a second factor: the service asks for its code. */
  asksCode: boolean;
}

export interface State {
  screen: "sign-in" | "in";
  user: User | undefined;
  /** Who was signed in has to sign in again, and comes back to what was on the screen. */
  mustSignIn: boolean;
  /** Chats that were open when the sign-in ended. */
  left: readonly ChatView[] | undefined;
  signIn: SignIn;
  live: SessionSnapshot | undefined;
  /** The ids of my chats in the order in which they have come. */
  order: readonly string[];
  online: boolean;
  /** When the service has said last how many wait. */
  queueAt: number;
  /** Which share of the last day's presses was taken in time, and when the service has said so. */
  shares: { within15: number | null; within20: number | null; at: number } | undefined;
  /** The names of the agency's events. */
  events: ReadonlyMap<number, string>;
  /** The events that have a plan of their venue. */
  plans: ReadonlySet<number>;
  /** The names of the agency's people. */
  colleagues: ReadonlyMap<number, string>;
  /** The chat on the screen. */
  selected: string | undefined;
  /** How many more of its older messages are shown than at first. */
  older: number;
  /** "Take next" was sent and is not answered. */
  taking: boolean;
  /** Chats that are about to be closed, and when. */
  closing: ReadonlyMap<string, number>;
  gone: ReadonlyMap<string, Gone>;
  dialog: "keys" | "settings" | "hand-over" | "incident" | undefined;
  /** The earlier chats of the person are beside the chat. */
  history: boolean;
  /** The canned answers that fit what is typed, and the one that Enter takes. */
  canned: { found: TextKey[]; at: number } | undefined;
  /** The last thing that has happened without being asked for, or has failed. */
  notice: Notice | undefined;
}

export const NO_SIGN_IN: SignIn = { busy: false, problems: [], asksCode: false };

export const state: State = {
  screen: "sign-in",
  user: undefined,
  mustSignIn: false,
  left: undefined,
  signIn: NO_SIGN_IN,
  live: undefined,
  order: setting("order")?.split(" ") ?? [],
  online: true,
  queueAt: 0,
  shares: undefined,
  events: new Map(),
  plans: new Set(),
  colleagues: new Map(),
  selected: undefined,
  older: 0,
  taking: false,
  closing: new Map(),
  gone: new Map(),
  dialog: undefined,
  history: false,
  canned: undefined,
  notice: undefined,
};

let render = () => {};
let scheduled = false;

export function begin(renderPage: () => void): void {
  render = renderPage;
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

/** In an order that does not change: a chat keeps its place, and who comes is behind all others. */
export function myChats(): ChatView[] {
  const chats = new Map(state.live?.chats.map((chat) => [chat.id, chat]));
  return state.order.flatMap((id) => chats.get(id) ?? []);
}

/** The order with the chats of a snapshot in it. It is the same after a reload and in tabs that open later. */
export function orderWith({ chats, synced }: SessionSnapshot): readonly string[] {
  const { order } = state;
  const came = chats.filter(({ id }) => !order.includes(id)).sort((a, b) => (beginOf(a) < beginOf(b) ? -1 : 1));
  const kept = synced ? order.filter((id) => chats.some((chat) => chat.id === id)) : order;
  if (came.length === 0 && kept.length === order.length) return order;
  const next = [...kept, ...came.map(({ id }) => id)];
  saveSetting("order", next.join(" "));
  return next;
}

/** Of chats that came at the same time, one is always the first. */
const beginOf = ({ id, chat }: ChatView) => chat.timeStart + id;

/** How much calls for the person: who waits, and what they have not read in chats that go on. */
export function needed(): number {
  const { agencyQueue, chats = [] } = state.live ?? {};
  const open = chats.filter((chat) => chat.state !== "closed");
  return open.reduce((sum, chat) => sum + chat.unread, agencyQueue?.waiting ?? 0);
}

export function selectedChat(): ChatView | undefined {
  return state.live?.chats.find(({ id }) => id === state.selected);
}

export function isLive(): boolean {
  return state.online && state.live?.connection.name === "live" && state.live.synced;
}

/** A copy of a map with one entry set, or taken out. */
export function changed<Value>(map: ReadonlyMap<string, Value>, key: string, value?: Value): Map<string, Value> {
  const copy = new Map(map);
  if (value === undefined) copy.delete(key);
  else copy.set(key, value);
  return copy;
}
