/** What goes on behind the screen: the live connection, and what a person asks of it. */

import {
  type ChatView,
  Http,
  OrganizerSession,
  type PublicConfig,
  SessionError,
  type SessionEvent,
  type Storage,
} from "@mayday/client";
import { announce } from "../ui/announce.js";
import { api, credentials, endSignIn, messenger, refreshUser } from "./account.js";
import { alertAgent } from "./alerts.js";
import { isAdmin, isComplete } from "./areas.js";
import { keepDraft, readDraft } from "./drafts.js";
import { notice } from "./notice.js";
import { nameOf, turnOf } from "./person.js";
import { isLiveShown } from "./router.js";
import { changed, type Gone, isLive, myChats, orderWith, type State, selectedChat, state, update } from "./state.js";
import { type TextKey, t } from "./texts.js";

const RETRY_MS = 5000;
/** A call that hangs ends after a while. */
const http = new Http({ baseUrl: "" });
/** How long a close can be taken back. */
export const UNDO_MS = 5000;
const SHARES_MS = 15_000;

export { notice } from "./notice.js";

export let session: OrganizerSession | undefined;
/** When the service was heard last: what is shown was true then. */
export let heardAt = 0;
/** Where the tiles of maps come from, if from anywhere. */
export let tileUrl = "";
let owner: string | undefined;
/** This tab has asked for the next chat, so the next chat is shown. */
let isNextShown = false;
let namesAsked = 0;
const closeTimers = new Map<string, ReturnType<typeof setTimeout>>();
const tabs = "BroadcastChannel" in globalThis ? new BroadcastChannel("mayday-chats") : undefined;
if (tabs) tabs.onmessage = ({ data }) => dismissedElsewhere(data as string);

class HeardSocket extends WebSocket {
  constructor(url: string) {
    super(url);
    this.addEventListener("message", () => {
      heardAt = Date.now();
    });
  }
}

/** Connects who is signed in and may talk for an agency; ends the connection of who may not any more. */
export function connectWhenNeeded(storage: Storage): void {
  const { user } = state;
  const isWanted = state.screen === "in" && user && !isAdmin(user) && isComplete(user);
  const wanted = isWanted ? `organizer:${user.id}` : undefined;
  if (owner === wanted) return;
  disconnect();
  owner = wanted;
  if (owner) void connect(owner, storage);
}

function disconnect(): void {
  session?.stop();
  session = undefined;
  // Names that are still to come are of the agency of whoever has left.
  namesAsked++;
  for (const chatId of closeTimers.keys()) undoClose(chatId);
  // After a token has ended, what was there is shown again once the person has signed in.
  update({ live: undefined, taking: false, gone: new Map(), queueAt: 0, shares: undefined });
}

async function connect(who: string, storage: Storage): Promise<void> {
  const url = await socketUrl(storage);
  if (owner !== who || session) return;
  if (!url) {
    setTimeout(() => owner === who && connect(who, storage), RETRY_MS);
    return;
  }
  const live = new OrganizerSession({ url, credentials, storage, owner: who, WebSocket: HeardSocket });
  session = live;
  live.subscribe((snapshot, event) => {
    if (session !== live) return;
    const before = state.live?.agencyQueue;
    const wasLive = isLive();
    update({
      ...{ live: snapshot, order: orderWith(snapshot) },
      ...(snapshot.agencyQueue !== before && { queueAt: Date.now() }),
    });
    if (snapshot.agencyQueue && snapshot.agencyQueue !== before) sayQueue(before?.waiting ?? 0);
    follow(event);
    if (!wasLive) void loadShares();
    readSelected();
  });
  await live.start();
}

async function socketUrl(storage: Storage): Promise<string | undefined> {
  let config = await storage.get<PublicConfig>("config");
  try {
    config = (await http.get<PublicConfig>("/config.json", { attempts: 1 })) ?? config;
    await storage.set("config", config);
  } catch {
    // Without network the last answer holds.
  }
  tileUrl = config?.tileUrl ?? "";
  return config && (config.websocketUrl || `${location.origin.replace(/^http/, "ws")}/connect`);
}

/** The service refuses the socket. A person whose account is not complete keeps the sign-in, to complete it. */
async function endSession(): Promise<void> {
  const refused = credentials.token();
  await refreshUser();
  const token = credentials.token();
  // The person has signed in again meanwhile, in another tab, or changed the password there.
  if (token && token !== refused) await session?.start();
  else if (state.user && isComplete(state.user)) await endSignIn();
}

/** Goes through everything that happens, in order. */
function follow(event: SessionEvent): void {
  switch (event.type) {
    case "connection": {
      const { connection } = event;
      if (connection.name === "live") {
        void refreshUser();
        loadNames();
      } else if (connection.name === "ended" && connection.reason === "sign-in") void endSession();
      return;
    }
    case "new_chat":
      update({ gone: changed(state.gone, event.chatId) });
      askedFor.delete(event.chatId);
      alertAgent(t("alert.chat"));
      announce(t("alert.chat"), true);
      if (!state.events.has(event.eventId)) loadNames();
      // Whoever is in the middle of a sentence stays there, unless they have just asked for the next chat.
      if (!selectedChat() || (isNextShown && (state.taking || !isWriting()))) open(event.chatId);
      isNextShown = false;
      return;
    case "message": {
      const { message, chatId, isNew } = event;
      if (!isNew || message.fromOrganizer || message.system) return;
      if (closeTimers.has(chatId)) {
        undoClose(chatId);
        notice(t("close.stopped", { name: nameIn(chatId) }));
      } else if (state.closing.has(chatId)) {
        // The service is closing it already. It stays on the screen until its last words were seen.
        askedFor.delete(chatId);
      }
      const isShown = chatId === state.selected && isLiveShown();
      announce(isShown ? t("chat.they", { text: message.content }) : t("alert.message", { name: nameIn(chatId) }));
      if (!isShown || document.hidden) alertAgent(t("alert.message", { name: nameIn(chatId) }));
      return;
    }
    case "closed_chat":
      return goes(event.chatId, "closed");
    case "chat_requeued":
      return goes(event.chatId, "requeued");
    case "chat_transferred":
      return goes(event.chatId, "transferred");
    case "error":
      return notice(t(sentenceOf(event.code)));
  }
}

/** Who sees nobody wait need not look; when somebody does, they are called. */
function sayQueue(before: number): void {
  const { waiting = 0 } = state.live?.agencyQueue ?? {};
  if (before > 0 || waiting === 0) return;
  announce(t("queue.waiting", { n: waiting }), true);
  alertAgent(t("queue.waiting", { n: waiting }));
}

/** A chat has ended for this person. One with text that was not delivered stays until it was seen. */
function goes(chatId: string, how: Gone): void {
  const wasClosing = closeTimers.has(chatId);
  stopTimer(chatId);
  update({
    ...{ closing: changed(state.closing, chatId), gone: changed(state.gone, chatId, how) },
    ...(chatId === state.selected && { canned: undefined }),
  });
  const chat = state.live?.chats.find(({ id }) => id === chatId);
  const asked = askedFor.delete(chatId) || wasClosing;
  const texts: Record<Gone, TextKey> = {
    closed: "gone.closed",
    requeued: "gone.requeued",
    transferred: "gone.transferred",
  };
  const leaves = asked && !hasFailed(chat);
  const text = chat ? t(texts[how], { name: nameOf(chat) }) : "";
  // A chat that stays on the screen says it itself.
  if (chatId === state.selected && !leaves) announce(text, true);
  else if (chat) notice(text);
  if (leaves) dismiss(chatId);
}

/** Chats that this person has closed or handed over, here or in another tab: nothing has to be explained. */
const askedFor = new Set<string>();

function hasFailed(chat: ChatView | undefined): boolean {
  return chat?.messages.some((message) => message.state === "failed") ?? false;
}

/** Takes a chat that has ended from the screen, and from those of the person's other tabs. */
export function dismiss(chatId: string): void {
  takeOff(chatId);
  tabs?.postMessage(chatId);
}

/**
 * What one tab has taken from its screen, the others need not explain, unless they have text that was not sent. It may
 * not have ended here yet.
 */
function dismissedElsewhere(chatId: string): void {
  const chat = state.live?.chats.find(({ id }) => id === chatId);
  if (!chat || readDraft(chatId)) return;
  if (!state.gone.has(chatId)) askedFor.add(chatId);
  else if (!hasFailed(chat)) takeOff(chatId);
}

function takeOff(chatId: string): void {
  const chats = myChats();
  const at = chats.findIndex(({ id }) => id === chatId);
  const next = chats[at + 1] ?? chats[at - 1];
  keepDraft(chatId, "");
  session?.forget(chatId);
  update({ gone: changed(state.gone, chatId), ...(session && { live: session.snapshot }) });
  if (state.selected === chatId) open(next?.id, false);
}

function nameIn(chatId: string): string {
  const chat = state.live?.chats.find(({ id }) => id === chatId);
  return chat ? nameOf(chat) : "";
}

/** What is on the screen of a person who looks at it has been read. */
export function readSelected(): void {
  const chat = selectedChat();
  if (chat && chat.unread > 0 && isLiveShown() && !document.hidden && !isDialogOpen()) session?.markRead(chat.id);
}

/** Shows a chat, and lets the person write. A dialog that is still loading is given up. */
export function open(chatId: string | undefined, focus = true): void {
  update({
    ...{ selected: chatId, canned: undefined },
    ...(chatId !== state.selected && { history: false, older: 0 }),
    ...(!isDialogOpen() && { dialog: undefined }),
  });
  // Who is elsewhere in the console stays there.
  if (isLiveShown()) history.replaceState(null, "", chatId ? `/console/chats/${chatId}` : "/console");
  readSelected();
  if (focus) focusComposer();
}

/** What counts is what is on the screen: a part that is not loaded yet covers nothing. */
export function isDialogOpen(): boolean {
  return document.querySelector("dialog[open]") !== null;
}

export function closeDialog(): void {
  update({ dialog: undefined });
  // What came meanwhile is seen after the rendering.
  queueMicrotask(readSelected);
}

export function openIncident(): void {
  if (selectedChat()) update({ dialog: "incident" });
}

/** Shows the person's earlier chats beside this one, or no more. */
export function toggleHistory(): void {
  if (state.history) closeHistory();
  else if (selectedChat()) update({ history: true });
}

export function closeHistory(): void {
  update({ history: false });
  focusComposer();
}

export function composer(): HTMLTextAreaElement | null {
  return document.querySelector(".composer textarea");
}

/** Somebody is in the middle of a sentence. */
export function isWriting(): boolean {
  const field = composer();
  return field === document.activeElement && Boolean(field?.value);
}

/** After the rendering, as the composer may not be there yet, and before the next key. */
export function focusComposer(): void {
  queueMicrotask(() => composer()?.focus());
}

/** What the service says when it refuses, in words. */
export function problemOf(error: unknown): TextKey {
  return sentenceOf(error instanceof SessionError ? error.code : "");
}

/** The service's own words are for who writes clients, and in one language. */
function sentenceOf(code: string): TextKey {
  if (code === "disconnected") return "error.disconnected";
  if (code === "too_many_chats") return "error.too-many";
  if (code === "unknown_colleague") return "error.colleague";
  if (code === "no_access") return "error.access";
  return "error.unavailable";
}

export async function takeNext(): Promise<void> {
  if (!session || !isLive() || state.taking) return;
  update({ taking: true });
  isNextShown = true;
  try {
    if ((await session.startChat()) === "none") {
      isNextShown = false;
      notice(t("queue.nobody"));
    }
  } catch (error) {
    isNextShown = false;
    notice(t(problemOf(error)));
  }
  update({ taking: false });
}

/** The next request comes by itself, or does so no more. */
export async function toggleWaiting(): Promise<void> {
  if (!session || !isLive()) return;
  try {
    if (state.live?.waitingForChat) {
      isNextShown = false;
      await session.stopWaiting();
    } else {
      isNextShown = true;
      await session.startChat(true);
    }
  } catch (error) {
    isNextShown = false;
    notice(t(problemOf(error)));
  }
}

/** Closes a chat in five seconds, unless the person changes their mind or the other side writes. */
export function closeSoon(chatId: string): void {
  if (!isLive() || closeTimers.has(chatId) || state.gone.has(chatId)) return;
  closeTimers.set(
    chatId,
    setTimeout(() => void close(chatId), UNDO_MS),
  );
  update({ closing: changed(state.closing, chatId, Date.now() + UNDO_MS) });
  announce(t("close.soon"));
}

/** Once the service was asked to close it, it is too late. */
export function undoClose(chatId: string): void {
  if (!stopTimer(chatId)) return;
  update({ closing: changed(state.closing, chatId) });
}

function stopTimer(chatId: string): boolean {
  clearTimeout(closeTimers.get(chatId));
  return closeTimers.delete(chatId);
}

async function close(chatId: string): Promise<void> {
  stopTimer(chatId);
  askedFor.add(chatId);
  try {
    await session?.closeChat(chatId);
  } catch (error) {
    askedFor.delete(chatId);
    notice(t(problemOf(error)));
  }
  update({ closing: changed(state.closing, chatId) });
}

/** Asks to whom the chat on the screen is to be handed over. */
export function openHandOver(): void {
  const chat = selectedChat();
  if (chat && !state.gone.has(chat.id)) update({ dialog: "hand-over" });
}

/** Rejects when the chat stays: the service refuses, or cannot be asked. */
export async function handOver(chatId: string, organizerId: number): Promise<void> {
  askedFor.add(chatId);
  try {
    await session?.transferChat(chatId, organizerId);
  } catch (error) {
    askedFor.delete(chatId);
    throw error;
  }
}

/** Events and colleagues, each as far as it can be read. The answer to an older question counts no more. */
function loadNames(): void {
  const asked = ++namesAsked;
  const put = (names: Partial<State>) => asked === namesAsked && update(names);
  const say = (error: unknown) => console.info("Names could not be read.", error);
  api.events.list().then(({ items }) => {
    const planned = items.filter(({ hasPlan }) => hasPlan);
    put({ events: new Map(items.map(({ id, name }) => [id, name])), plans: new Set(planned.map(({ id }) => id)) });
  }, say);
  api.users.list().then(({ items }) => {
    put({ colleagues: new Map(items.map(({ id, firstName, lastName }) => [id, `${firstName} ${lastName}`])) });
  }, say);
}

/** Who looks at the queue sees how well the team keeps up. */
export function watchShares(): void {
  setInterval(loadShares, SHARES_MS);
}

async function loadShares(): Promise<void> {
  if (document.hidden || !isLiveShown() || !isLive()) return;
  try {
    const { waits } = await messenger.statistics({}, { attempts: 1 });
    update({ shares: { within15: waits.within15Seconds, within20: waits.within20Seconds, at: Date.now() } });
  } catch (error) {
    console.info("The shares could not be read.", error);
  }
}

/** Shares that could not be read three times in a row are old. */
export function areSharesOld(): boolean {
  return !isLive() || Date.now() - (state.shares?.at ?? 0) > 3 * SHARES_MS;
}

/** The chat in which somebody has waited longest for an answer. */
export function openMostUrgent(): void {
  const mine = myChats().filter((chat) => chat.state === "active" && turnOf(chat).mine);
  const [first] = mine.sort((a, b) => turnOf(a).since - turnOf(b).since);
  if (first) open(first.id);
  else notice(t("chats.nobody"));
}

export function watchNetwork(): void {
  const wake = () => {
    update({ online: navigator.onLine });
    if (document.hidden) return;
    session?.wake();
    readSelected();
    void loadShares();
  };
  update({ online: navigator.onLine });
  addEventListener("online", wake);
  addEventListener("offline", () => update({ online: false }));
  document.addEventListener("visibilitychange", wake);
}
