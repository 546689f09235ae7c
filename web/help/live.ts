/** What goes on behind the screens: the event, the network, the live connection, and what is said aloud about them. */
import {
  ApiError,
  Http,
  type PressSnapshot,
  type PublicConfig,
  type PublicEvent,
  Session,
  type SessionEvent,
} from "@mayday/client";
import { announce } from "../ui/announce.js";
import { t } from "../ui/i18n.js";
import { alertPerson } from "../ui/quiet.js";
import { search } from "./find.js";
import { stepText } from "./ladder.js";
import { positionText, stopSharing } from "./share.js";
import { currentChat, currentPress, device, isOpen, session, setSession, state, update } from "./state.js";

const RETRY_MS = 5000;
/** A call that hangs ends after a while. */
const http = new Http({ baseUrl: "" });
let retryTimer: ReturnType<typeof setTimeout> | undefined;

/** Loads what is to be said about an event. What was loaded once is there without network too. */
export async function loadEvent(id: number): Promise<void> {
  const { account, storage } = device;
  const kept = await storage.get<PublicEvent>(`event/${id}`);
  if (kept && state.eventId === id) update({ event: kept });
  try {
    await account.ensure();
    const event = await account.api.event(id);
    await storage.set(`event/${id}`, event);
    if (state.eventId === id) update({ event, unanswered: false });
  } catch (error) {
    if (state.eventId !== id) return;
    if (error instanceof ApiError && error.status === 404) {
      update({ event: "unknown" });
      return search();
    }
    update({ event: kept ?? "unavailable", unanswered: isUnanswered(error) });
    clearTimeout(retryTimer);
    retryTimer = setTimeout(() => state.eventId === id && loadEvent(id), RETRY_MS);
  }
}

/** No answer, though the phone believes to have a network, or an answer that says "not now". */
export function isUnanswered(error: unknown): boolean {
  return !(error instanceof ApiError) || error.temporary;
}

export function watchNetwork(): void {
  const wake = () => {
    if (document.hidden) return;
    update({ online: navigator.onLine });
    device.queue.wake();
    session?.wake();
    if (!state.eventId) void search();
    else if (typeof state.event !== "object") void loadEvent(state.eventId);
    readMessages();
  };
  addEventListener("online", wake);
  addEventListener("offline", () => update({ online: false }));
  document.addEventListener("visibilitychange", wake);
}

let owner: string | undefined;

/** A live connection is there for who has something open, or may have on another phone. */
export function connectWhenNeeded(): void {
  const { user } = state.account;
  const wanted = user && (!user.guest || state.presses.presses.some((press) => isOpen(press) && press.receivedAt));
  const mine = user && `participant:${user.id}`;
  if (owner && owner !== mine) disconnect();
  if (!wanted || !mine || owner) return;
  owner = mine;
  void connect(owner);
}

function disconnect(): void {
  owner = undefined;
  session?.stop();
  setSession(undefined);
  stopSharing();
  // Nothing would tell that the service answers again.
  if (state.live) update({ live: undefined, unanswered: false });
}

async function connect(who: string): Promise<void> {
  const url = await socketUrl();
  if (owner !== who || session) return;
  if (!url) {
    setTimeout(() => owner === who && connect(who), RETRY_MS);
    return;
  }
  const { account, queue, storage } = device;
  const live = new Session({ url, credentials: account, storage, owner: who });
  setSession(live);
  live.subscribe((snapshot, event) => {
    if (session !== live) return;
    const { connection } = snapshot;
    const lost = connection.name === "waiting" && connection.attempt > 1;
    update({ live: snapshot, unanswered: lost || (state.unanswered && connection.name !== "live") });
    sayEvent(event);
    readMessages();
    sayUnsaidDetails();
  });
  queue.follow(live);
  await live.start();
}

/** Where the sockets are. Asked once; what was answered last is used when nothing is answered now. */
async function socketUrl(): Promise<string | undefined> {
  const { storage } = device;
  let config = await storage.get<PublicConfig>("config");
  try {
    config = (await http.get<PublicConfig>("/config.json", { attempts: 1 })) ?? config;
    await storage.set("config", config);
  } catch {
    // Without network the last answer holds.
  }
  return config && (config.websocketUrl || `${location.origin.replace(/^http/, "ws")}/connect`);
}

/** What is on the screen of a person who looks at it has been read. */
function readMessages(): void {
  const chat = currentChat();
  if (chat && chat.unread > 0 && !document.hidden) session?.markRead(chat.id);
}

/** Details that a request did not get before its chat began are said in the chat. */
export function sayUnsaidDetails(): void {
  for (const press of device.queue.snapshot.presses) {
    const chat = state.live?.chats.find(({ id, state }) => id === press.chatId && state === "active");
    if (!press.detailsPending || !chat) continue;
    const { eventId, description, lat, lng, accuracy = 0 } = press;
    const fix = lat !== undefined && lng !== undefined ? { lat, lng } : undefined;
    const text = description || (fix && positionText({ accuracy }));
    void device.queue.detailsSaid(eventId);
    if (text) void session?.send(chat.id, text, fix);
  }
}

/** A new step of the current press is said aloud. */
export function saySteps(now: PressSnapshot): void {
  const press = now.presses.find(({ eventId }) => eventId === state.eventId);
  const before = currentPress();
  if (!press || !state.presses.loaded) return;
  const text = stepText(press);
  if (text && (!before || text !== stepText(before))) announce(text);
  if (press.step === "taken" && before && before.step !== "taken") alertPerson();
}

function sayEvent(event: SessionEvent): void {
  if (event.type === "message" && event.isNew && event.message.fromOrganizer && !event.message.system) {
    announce(t("chat.says", { text: event.message.content }), true);
    alertPerson();
  } else if (event.type === "chat_requeued") {
    announce(t("chat.requeued"), true);
  } else if (event.type === "chat_transferred") {
    announce(t("chat.transferred"), true);
  } else if (event.type === "closed_chat" && event.chatId === state.sharing?.chatId) {
    stopSharing();
  }
}
