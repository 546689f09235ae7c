import { backoff } from "./backoff.js";
import { type Clock, systemClock } from "./clock.js";
import type {
  ChatTransferredFrame,
  ReceiveOfProtocol2 as ClientFrame,
  ErrorFrame,
  HistoryFrame,
  InfoFrame,
  MessageSavedFrame,
  NewChat,
  NumberedMessage,
  OpenChat,
  Principal,
  ReadFrame,
  SendOfProtocol2 as ServerFrame,
} from "./generated/socket.js";
import type { Credentials } from "./http.js";
import { Listeners } from "./listeners.js";
import { Outbox } from "./outbox.js";
import type {
  ConnectionState,
  EndReason,
  Failure,
  QueuePosition,
  SessionEvent,
  SessionListener,
  SessionSnapshot,
  WebSocketConstructor,
  WebSocketLike,
} from "./session-types.js";
import type { Storage } from "./storage.js";
import { positionOf, type StoredChat, Timeline } from "./timeline.js";
import type { Position } from "./types.js";
import { uuid } from "./uuid.js";

export interface SessionOptions {
  /** The full address, with `/connect`. */
  url: string;
  credentials: Credentials;
  /** Where messages are kept until the service has stored them. */
  storage: Storage;
  /**
   * Keeps the users of one device apart. The one of an `Account` is `participant:` and the user's id: what a guest has
   * not sent is sent by the account that the guest signs in to.
   */
  owner: string;
  /** Keeps chats on the device too, so that they can be read without a network after a reload. */
  keepChats?: boolean;
  /** `globalThis.WebSocket` if absent. */
  WebSocket?: WebSocketConstructor;
  clock?: Clock;
  random?: () => number;
}

/** The service, or the state of the connection, refuses what was asked. Codes are those of PROTOCOL.md and our own. */
export class SessionError extends Error {
  override readonly name = "SessionError";
  /** Beside the service's codes: `disconnected`, `timeout`. */
  readonly code: string;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: string, message: string, retryAfterSeconds?: number) {
    super(message);
    this.code = code;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

// The limits fit a network that takes seconds for a round trip.
/** From the first packet to `ready`. */
const CONNECT_MS = 20_000;
/** A connection that says nothing for so long is asked whether it lives... */
const SILENCE_MS = 45_000;
/** ...sooner that of an organizer, who sits at a desk and has to know how far the screen can be trusted... */
const ORGANIZER_SILENCE_MS = 5_000;
/** ...and is given up if it says nothing for so long after something was sent. */
const ANSWER_MS = 15_000;
/** The same for an organizer, and when the page has just become visible: the connection often died meanwhile. */
const WAKE_MS = 6_000;
/** A frame that is not answered is sent again after this, although the connection lives. */
const REPEAT_MS = 30_000;
/** A connection that has lived this long was a good one: the next failure is the first again. */
const HEALTHY_MS = 10_000;
const TYPING_SHOWN_MS = 5_000;
const TYPING_SENT_MS = 2_000;
const READ_SENT_MS = 1_000;
const KEEP_CHATS_MS = 1_000;
/** Small, so that a slow network shows the first messages soon. */
const HISTORY_LIMIT = 50;
/** After so many connections in a row that ended with a violation of the protocol, the client is to be mended. */
const MAX_VIOLATIONS = 3;

/** A frame that waits for its answer. */
interface Ask {
  readonly frame: ClientFrame;
  /** The chat that it is about. */
  readonly chatId: string | undefined;
  /** True if the frame of the server answers it. */
  readonly isAnswer: (frame: ServerFrame) => boolean;
  readonly resolve: (frame: ServerFrame) => void;
  readonly reject: (error: SessionError) => void;
}

type Cancel = () => void;

/** One user's live connection, kept up for as long as it is wanted, and what it shows. */
export class Session {
  readonly #options: SessionOptions;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #outbox: Outbox;
  readonly #listeners = new Listeners<[SessionSnapshot, SessionEvent]>();
  readonly #timelines = new Map<string, Timeline>();
  readonly #positions = new Map<number, QueuePosition>();
  #agencyQueue: SessionSnapshot["agencyQueue"];
  #principal: Principal | undefined;
  #connection: ConnectionState = { name: "idle" };
  #snapshot: SessionSnapshot;
  #synced = false;
  /** The chats were read once: one that is unknown after that is new. */
  #chatsKnown = false;

  #socket: WebSocketLike | undefined;
  /** Number of this attempt to connect since the last good connection. */
  #attempt = 0;
  #violations = 0;
  #liveSince: number | undefined;
  /** The token was renewed since the last `ready`. */
  #renewed = false;
  /** How many frames have come, and when the last one did. */
  #heard = 0;
  #heardAt = 0;
  #loaded: Promise<void> | undefined;
  #cancelRetry: Cancel | undefined;
  /** Timers that end with the connection. */
  readonly #timers = new Set<Cancel>();

  /** Asked one after the other, so that an error without an address belongs to the first. */
  readonly #asks: Ask[] = [];
  #chatsWanted = false;
  #catchingUp = false;
  /** An organizer waits for a chat, also while there is no connection. */
  protected waitWanted = false;
  #isWaiting = false;
  /** Chats whose next message waits for the time that the service has named. */
  readonly #held = new Set<string>();
  readonly #readSent = new Map<string, number>();
  readonly #typedAt = new Map<string, number>();
  readonly #typing = new Map<string, Cancel>();
  readonly #unkept = new Map<string, Cancel>();

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
    this.#outbox = new Outbox(options.storage, options.owner);
    this.#snapshot = this.#build();
  }

  get snapshot(): SessionSnapshot {
    return this.#snapshot;
  }

  /** The listener is called for each event, in order, with the state after it. */
  subscribe(listener: SessionListener): () => void {
    return this.#listeners.add(listener);
  }

  /** Shows what is kept on the device and connects. Resolves when the first is done. */
  async start(): Promise<void> {
    const before = this.#connection;
    await this.#load();
    // It may have been stopped meanwhile.
    if (this.#connection === before && (before.name === "idle" || before.name === "ended")) {
      this.#attempt = 0;
      this.#connect();
    }
  }

  stop(): void {
    this.#end("stopped");
  }

  /** The network is back, or the page is visible again: connects at once, or checks that the connection lives. */
  wake(): void {
    const { name } = this.#connection;
    if (name === "waiting" || (name === "ended" && this.#connection.reason === "idle")) this.#connect();
    else if (name === "live") this.#probe(WAKE_MS);
  }

  /** Resolves with the message's `clientId` when it is stored on the device. */
  async send(chatId: string, content: string, position?: Position): Promise<string> {
    await this.#load();
    const clientId = uuid();
    const writtenAt = this.#now();
    await this.#outbox.add({ clientId, chatId, content, writtenAt, ...position });
    this.#update(chatId);
    this.#sendNext(chatId);
    if (this.#connection.name === "ended") this.wake();
    return clientId;
  }

  /** Sends a failed message again. */
  async retry(clientId: string): Promise<void> {
    await this.#outbox.change(clientId, ({ failure: _, ...message }) => message);
    const message = this.#outbox.get(clientId);
    if (!message) return;
    this.#update(message.chatId);
    this.#sendNext(message.chatId);
  }

  /** Throws away a failed message. */
  discard(clientId: string): void {
    if (!this.#outbox.get(clientId)?.failure) return;
    const message = this.#outbox.remove(clientId);
    if (message) this.#update(message.chatId);
  }

  /** The own side has read the chat, up to `seq` or its end. */
  markRead(chatId: string, seq = Number.POSITIVE_INFINITY): void {
    const timeline = this.#timelines.get(chatId);
    if (!timeline) return;
    const read = Math.min(seq, timeline.end);
    if (read <= timeline.ownReadSeq) return;
    timeline.ownReadSeq = read;
    this.#update(chatId);
    this.#sendRead(chatId);
  }

  /** The own side is typing. To be called at each key; little of it is sent. */
  typing(chatId: string): void {
    const now = this.#clock.now();
    if (this.#connection.name !== "live" || now - (this.#typedAt.get(chatId) ?? 0) < TYPING_SENT_MS) return;
    this.#typedAt.set(chatId, now);
    this.#write({ type: "typing", payload: { chatId } });
  }

  /** Removes a place in the queue from the snapshot. The service does not tell that it is none any more. */
  forgetPosition(eventId: number): void {
    this.#positions.delete(eventId);
    this.#update();
  }

  /** Removes a closed chat from the snapshot and from the device, with what could not be sent in it. */
  forget(chatId: string): void {
    if (this.#timelines.get(chatId)?.state !== "closed") return;
    this.#timelines.delete(chatId);
    for (const { clientId } of this.#outbox.of(chatId)) this.#outbox.remove(clientId);
    void this.#options.storage.delete(this.#keyOf(chatId));
    this.#update();
  }

  // The connection

  #connect(): void {
    this.#cancelRetry?.();
    this.#attempt += 1;
    this.#become({ name: "connecting", attempt: this.#attempt });
    void this.#open();
  }

  async #open(): Promise<void> {
    const attempt = this.#connection;
    let token: string | undefined;
    try {
      token = await this.#options.credentials.token();
    } catch (error) {
      if (this.#connection === attempt) this.#waitToRetry(String(error));
      return;
    }
    if (this.#connection !== attempt) return;
    if (!token) return this.#end("sign-in");
    const { url, WebSocket = (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket } = this.#options;
    if (!WebSocket) throw new Error("pass a WebSocket to the session");
    const socket = new WebSocket(url);
    this.#socket = socket;
    const isCurrent = () => this.#socket === socket;
    socket.onopen = () => {
      if (isCurrent()) this.#write({ Authorization: `Bearer ${token}`, protocol: 2 });
    };
    socket.onmessage = ({ data }: { data: unknown }) => {
      if (isCurrent()) this.#receive(String(data));
    };
    socket.onclose = ({ code }: { code: number }) => {
      if (isCurrent()) this.#closed(code, token);
    };
    // A close follows.
    socket.onerror = () => undefined;
    this.timer(CONNECT_MS, () => {
      if (this.#connection.name !== "live") this.#lost("the service does not answer");
    });
  }

  /** What the close code says, as PROTOCOL.md has it. */
  #closed(code: number, token: string): void {
    const tooLarge = code === 1009;
    if (tooLarge) {
      // Else it would end the next connection too.
      const failure = { code: "message_too_large", message: "message too large" };
      for (const { clientId } of this.#outbox.sending())
        void this.#outbox.change(clientId, (message) => ({ ...message, failure }));
    }
    this.#disconnect();
    this.#violations = tooLarge || code === 1002 || code === 1007 ? this.#violations + 1 : 0;
    if (this.#violations >= MAX_VIOLATIONS) this.#end("protocol", code);
    else if (code === 4500 || code === 4501) void this.#renew(token, code);
    else if (code === 4502) this.#end("replaced", code);
    else if (code > 4502 && code < 5000) this.#end("refused", code);
    else if (code === 4000) this.#end("idle", code);
    // Everybody's connection has ended: not all at the same moment.
    else if ((code === 1012 || code === 4001) && this.#attempt <= 1)
      this.#retryIn(this.#random() * 1500, `closed (${code})`);
    else this.#waitToRetry(`closed (${code})`, code === 1008 ? 30_000 : 0);
  }

  async #renew(token: string, code: number): Promise<void> {
    const isRepeated = this.#renewed;
    this.#renewed = true;
    this.#become({ name: "connecting", attempt: this.#attempt });
    const state = this.#connection;
    try {
      const next = await this.#options.credentials.renew?.(token);
      if (this.#connection !== state) return;
      if (!next || next === token) this.#end("sign-in", code);
      // What replaced the token may have been refused because of a change that is still under way.
      else if (isRepeated) this.#waitToRetry(`refused (${code})`);
      else this.#connect();
    } catch (error) {
      // No network: neither can the token be renewed nor a connection opened.
      this.#renewed = false;
      if (this.#connection === state) this.#waitToRetry(String(error));
    }
  }

  /** The connection is dead, although nobody has closed it. */
  #lost(reason: string): void {
    this.#disconnect();
    this.#waitToRetry(reason);
  }

  #disconnect(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    try {
      socket?.close();
    } catch {
      // It is closed, or it never opened.
    }
    if (this.#liveSince !== undefined && this.#clock.now() - this.#liveSince >= HEALTHY_MS) {
      this.#attempt = 0;
      this.#violations = 0;
    }
    this.#liveSince = undefined;
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
    this.#held.clear();
    this.#readSent.clear();
    this.#isWaiting = false;
    for (const timeline of this.#timelines.values()) timeline.touch();
    this.#outbox.disconnected();
    for (const ask of this.#asks.splice(0)) ask.reject(new SessionError("disconnected", "the connection was lost"));
  }

  #waitToRetry(reason: string, atLeast = 0): void {
    this.#retryIn(Math.max(atLeast, backoff(Math.max(1, this.#attempt), this.#random)), reason);
  }

  #retryIn(milliseconds: number, reason: string): void {
    this.#cancelRetry?.();
    this.#cancelRetry = this.#clock.after(milliseconds, () => this.#connect());
    const attempt = this.#attempt + 1;
    this.#become({ name: "waiting", attempt, at: this.#clock.now() + milliseconds, reason });
  }

  #end(reason: EndReason, code?: number): void {
    this.#cancelRetry?.();
    this.#disconnect();
    for (const cancel of this.#typing.values()) cancel();
    this.#typing.clear();
    for (const chatId of this.#unkept.keys()) this.#keepNow(chatId);
    this.#become({ name: "ended", reason, ...(code && { code }) });
  }

  #become(connection: ConnectionState): void {
    this.#connection = connection;
    this.#emit({ type: "connection", connection });
  }

  #write(frame: ClientFrame): void {
    this.#socket?.send(JSON.stringify(frame));
  }

  /** The connection must say something within the time. Anything will do. */
  #expectLife(within: number): void {
    const heard = this.#heard;
    this.timer(within, () => {
      if (this.#heard === heard) this.#lost("the connection is silent");
    });
  }

  #probe(within: number): void {
    this.#readChats();
    this.#expectLife(within);
  }

  #watch(): void {
    // The clock may have been put back.
    this.#heardAt = Math.min(this.#heardAt, this.#clock.now());
    const [silence, answer] = this.#side() ? [ORGANIZER_SILENCE_MS, WAKE_MS] : [SILENCE_MS, ANSWER_MS];
    const left = silence - (this.#clock.now() - this.#heardAt);
    if (left <= 0) this.#probe(answer);
    this.timer(left > 0 ? left : answer, () => this.#watch());
  }

  /** Calls back, unless the connection ends before. */
  protected timer(milliseconds: number, callback: () => void): void {
    const cancel = this.#clock.after(milliseconds, () => {
      this.#timers.delete(cancel);
      callback();
    });
    this.#timers.add(cancel);
  }

  // Frames of the server

  #receive(text: string): void {
    this.#heard += 1;
    this.#heardAt = this.#clock.now();
    let frame: ServerFrame;
    try {
      frame = JSON.parse(text);
    } catch {
      return;
    }
    if (frame.type === "error") return this.#error(frame.payload);
    const ask = this.#asks[0];
    const answered = ask?.isAnswer(frame);
    this.#apply(frame);
    if (answered) this.#answer(() => ask?.resolve(frame));
  }

  /** A frame of a type that is not known, of a later release, is ignored. */
  #apply({ type, payload }: ServerFrame): void {
    switch (type) {
      case "ready":
        return this.#ready(payload.principal);
      case "chats":
        return this.#chats(payload.chats);
      case "chat_history":
        return this.#history(payload);
      case "new_chat":
        return this.#newChat(payload);
      case "user_message":
        return this.#message(payload);
      case "message_saved":
        return this.#saved(payload);
      case "closed_chat":
        return this.#closedChat(payload.chatId);
      case "chat_requeued":
        return this.#requeued(payload.chatId);
      case "chat_transferred":
        return this.#transferred(payload);
      case "queue_position":
        return this.#position(payload);
      case "queue_status":
        this.#agencyQueue = payload;
        return this.#update();
      case "typing":
        return this.#typed(payload.chatId);
      case "read":
        return this.#read(payload);
      case "info":
        return this.#info(payload.code);
      case "resync":
        return this.#readChats();
    }
  }

  #ready(principal: Principal): void {
    if (this.#principal && (this.#principal.realm !== principal.realm || this.#principal.id !== principal.id)) {
      this.#timelines.clear();
      this.#chatsKnown = false;
    }
    this.#principal = principal;
    this.#synced = false;
    this.#liveSince = this.#clock.now();
    this.#renewed = false;
    for (const timeline of this.#timelines.values()) timeline.stuck = false;
    // Places in the queue come again by themselves; one that does not is none any more.
    this.#positions.clear();
    this.#become({ name: "live" });
    this.#readChats();
    this.#watch();
    // Another tab may have written something and be gone.
    void this.#outbox.load().then(() => {
      for (const chatId of this.#outbox.chatIds()) this.#sendNext(chatId);
    });
  }

  #chats(chats: OpenChat[]): void {
    // The service lists the newest first.
    for (const chat of chats.reverse()) {
      const timeline = this.#timelines.get(chat.id);
      if (timeline && chat.lastSeq < timeline.end) timeline.reset();
      const read = timeline?.ownReadSeq ?? 0;
      // The organizer got it while the connection was down.
      if (this.#chatsKnown && this.#side() && (timeline?.state ?? "closed") === "closed") this.#newChat(chat);
      else this.#upsert(chat);
      if (read > chat.ownReadSeq) this.#sendRead(chat.id);
    }
    for (const [id, timeline] of this.#timelines) {
      if (timeline.state !== "closed" && !chats.some((chat) => chat.id === id)) this.#closedChat(id);
    }
    // The chat has ended, and nothing is left that could show what was not sent in it.
    for (const chatId of this.#outbox.chatIds()) {
      if (this.#timelines.has(chatId)) continue;
      for (const { clientId } of this.#outbox.of(chatId)) this.#outbox.remove(clientId);
    }
    this.#chatsKnown = true;
    this.#update();
    if (!this.#synced) this.onFirstChats();
  }

  #history({ chatId, messages, lastSeq }: HistoryFrame["payload"]): void {
    const timeline = this.#timelines.get(chatId);
    if (!timeline) return;
    const isNew = timeline.caughtUp;
    timeline.lastSeq = Math.max(timeline.lastSeq, lastSeq);
    const shown = messages.flatMap((message) => this.#place(timeline, message));
    this.#show(chatId, shown, isNew);
  }

  #newChat(chat: NewChat): void {
    const timeline = this.#upsert(chat);
    this.#positions.delete(chat.eventId);
    if (this.#side()) this.waitWanted = this.#isWaiting = false;
    this.#keep(chat.id);
    this.#emit({ type: "new_chat", chatId: chat.id, eventId: chat.eventId });
    if (timeline.isMissingMessages) void this.#catchUp();
  }

  #message(message: NumberedMessage): void {
    const timeline = this.#timelines.get(message.chatId);
    // It is in the history of the chat, which is known after the next answer.
    if (!timeline) return this.#readChats();
    if (message.fromOrganizer !== this.#side()) this.#stopTyping(timeline);
    this.#show(message.chatId, this.#place(timeline, message), true);
    if (timeline.isMissingMessages) void this.#catchUp();
    this.#sendNext(message.chatId);
  }

  #saved({ clientId, id, chatId, seq, timeSent }: MessageSavedFrame["payload"]): void {
    const outgoing = this.#outbox.get(clientId);
    const timeline = this.#timelines.get(chatId);
    if (outgoing && timeline && this.#principal) {
      const from = { authorId: this.#principal.id, fromOrganizer: this.#side(), ...positionOf(outgoing) };
      const { content } = outgoing;
      const shown = this.#place(timeline, { id, chatId, seq, timeSent, clientId, content, ...from });
      this.#show(chatId, shown, true);
    } else {
      this.#outbox.remove(clientId);
      this.#update(chatId);
    }
    this.#sendNext(chatId);
  }

  #closedChat(chatId: string): void {
    this.#left("closed", { type: "closed_chat", chatId });
  }

  #requeued(chatId: string): void {
    // The organizer does not have it any more.
    const state = this.#side() ? "closed" : "waiting";
    this.#left(state, { type: "chat_requeued", chatId });
  }

  #transferred({ chatId, organizerId }: ChatTransferredFrame["payload"]): void {
    const timeline = this.#timelines.get(chatId);
    if (!timeline) return;
    const { organizerName: _, ...chat } = timeline.chat;
    timeline.chat = { ...chat, organizerId };
    const isMine = !this.#side();
    // Who has it now is in the chat.
    if (isMine) this.#readChats();
    this.#left(isMine ? timeline.state : "closed", { type: "chat_transferred", chatId, organizerId });
  }

  /** The organizer has left the chat. */
  #left(state: Timeline["state"], event: SessionEvent & { chatId: string }): void {
    const { chatId } = event;
    const timeline = this.#timelines.get(chatId);
    if (!timeline) return;
    timeline.state = state;
    this.#stopTyping(timeline);
    if (state === "closed") this.#failAll(chatId);
    this.#keep(chatId);
    this.#emit(event);
  }

  #position(position: QueuePosition): void {
    this.#positions.set(position.eventId, position);
    this.#emit({ type: "queue_position", eventId: position.eventId, position: position.position });
  }

  #typed(chatId: string): void {
    const timeline = this.#timelines.get(chatId);
    if (!timeline) return;
    this.#stopTyping(timeline);
    timeline.typing = true;
    const cancel = this.#clock.after(TYPING_SHOWN_MS, () => {
      this.#stopTyping(timeline);
      this.#update(chatId);
    });
    this.#typing.set(chatId, cancel);
    this.#emit({ type: "typing", chatId });
  }

  #read({ chatId, seq, fromOrganizer }: ReadFrame["payload"]): void {
    const timeline = this.#timelines.get(chatId);
    if (!timeline) return;
    if (fromOrganizer === this.#side()) timeline.ownReadSeq = Math.max(timeline.ownReadSeq, seq);
    else timeline.readSeq = Math.max(timeline.readSeq, seq);
    timeline.touch();
    this.#keep(chatId);
    this.#emit({ type: "read", chatId, seq, fromOrganizer: fromOrganizer === 1 });
  }

  #info(code: InfoFrame["payload"]["code"]): void {
    if (code !== "waiting" && code !== "not_waiting") return;
    this.#isWaiting = this.waitWanted = code === "waiting";
    this.#update();
  }

  #error({ code, message, clientId, retryAfterSeconds }: ErrorFrame["payload"]): void {
    if (clientId) return this.#refused(clientId, { code, message }, retryAfterSeconds);
    const ask = this.#asks[0];
    if (ask && (code !== "no_access" || (ask.chatId && message.includes(ask.chatId)))) {
      return this.#answer(() => ask.reject(new SessionError(code, message, retryAfterSeconds)));
    }
    this.#emit({ type: "error", code, message, ...(retryAfterSeconds && { retryAfterSeconds }) });
  }

  // Asking and catching up

  protected ask(frame: ClientFrame, isAnswer: Ask["isAnswer"], chatId?: string): Promise<ServerFrame> {
    return new Promise((resolve, reject) => {
      if (this.#connection.name !== "live") return reject(new SessionError("disconnected", "there is no connection"));
      this.#asks.push({ frame, isAnswer, chatId, resolve, reject });
      if (this.#asks.length === 1) this.#askFirst();
    });
  }

  /** Asks something about a chat. The answer names it. */
  protected askAbout(
    frame: Extract<ClientFrame, { payload: { chatId: string } }>,
    answer: "chat_history" | "closed_chat" | "chat_transferred",
  ): Promise<ServerFrame> {
    const { chatId } = frame.payload;
    return this.ask(frame, ({ type, payload }) => type === answer && payload.chatId === chatId, chatId);
  }

  #askFirst(): void {
    const ask = this.#asks[0];
    if (!ask) return;
    this.#write(ask.frame);
    this.#expectLife(ANSWER_MS);
    this.timer(REPEAT_MS, () => {
      if (this.#asks[0] !== ask) return;
      this.#answer(() => ask.reject(new SessionError("timeout", "the service does not answer")));
    });
  }

  #answer(settle: () => void): void {
    this.#asks.shift();
    settle();
    this.#askFirst();
  }

  #readChats(): void {
    this.#chatsWanted = true;
    void this.#catchUp();
  }

  /** Asks for chats if they are wanted, then for what is missing of each, until nothing is missing. */
  async #catchUp(): Promise<void> {
    if (this.#catchingUp || this.#connection.name !== "live") return;
    this.#catchingUp = true;
    const socket = this.#socket;
    try {
      while (this.#chatsWanted || this.#firstMissing()) {
        const timeline = this.#firstMissing();
        if (this.#chatsWanted || !timeline) {
          this.#chatsWanted = false;
          await this.ask({ type: "get_chats", payload: {} }, ({ type }) => type === "chats").catch((error) => {
            this.#chatsWanted = true;
            throw error;
          });
          continue;
        }
        const { end, chat } = timeline;
        const payload = { chatId: chat.id, afterSeq: end, limit: HISTORY_LIMIT };
        await this.askAbout({ type: "get_chat_history", payload }, "chat_history");
        timeline.stuck = timeline.end === end && timeline.lastSeq > end;
      }
      if (!this.#synced) {
        this.#synced = true;
        this.#update();
      }
    } catch (error) {
      const { code, retryAfterSeconds = 1 } = error as SessionError;
      if (code === "no_access") this.#chatsWanted = true;
      if (this.#socket === socket) {
        this.timer(retryAfterSeconds * 1000 * (1 + this.#random() / 2), () => void this.#catchUp());
      }
    } finally {
      this.#catchingUp = false;
      // A new connection may have come meanwhile.
      if (this.#socket !== socket) void this.#catchUp();
    }
  }

  #firstMissing(): Timeline | undefined {
    for (const timeline of this.#timelines.values()) if (timeline.isMissingMessages) return timeline;
    return undefined;
  }

  /** The chats were read for the first time over this connection. */
  protected onFirstChats(): void {
    // Only organizers wait for chats.
  }

  // The send queue

  /** Sends the next message of a chat. One at a time, so that they are stored in order. */
  #sendNext(chatId: string): void {
    if (this.#connection.name !== "live" || this.#held.has(chatId)) return;
    const next = this.#outbox.of(chatId).find((message) => !message.failure && !message.saved);
    if (!next || next.sending) return;
    const { clientId, content } = next;
    void this.#outbox.change(clientId, (message) => ({ ...message, sending: true }));
    this.#update(chatId);
    this.#write({ type: "send_message", payload: { chatId, message: content, clientId, ...positionOf(next) } });
    this.#expectLife(ANSWER_MS);
    this.timer(REPEAT_MS, () => {
      if (this.#outbox.get(clientId)?.sending) this.#sendAgain(chatId, clientId);
    });
  }

  #sendAgain(chatId: string, clientId: string): void {
    void this.#outbox.change(clientId, ({ sending: _, ...message }) => message);
    this.#update(chatId);
    this.#sendNext(chatId);
  }

  #refused(clientId: string, failure: Failure, retryAfterSeconds?: number): void {
    const chatId = this.#outbox.get(clientId)?.chatId;
    if (!chatId) return;
    if (retryAfterSeconds !== undefined) {
      this.#held.add(chatId);
      void this.#outbox.change(clientId, ({ sending: _, ...message }) => message);
      this.#update(chatId);
      this.timer(retryAfterSeconds * 1000 * (1 + this.#random() / 4), () => {
        this.#held.delete(chatId);
        this.#sendNext(chatId);
      });
      return;
    }
    this.#fail(clientId, failure);
    if (failure.code === "no_access") this.#readChats();
    this.#sendNext(chatId);
  }

  #fail(clientId: string, failure: Failure): void {
    void this.#outbox.change(clientId, ({ sending: _, ...message }) => ({ ...message, failure }));
    const chatId = this.#outbox.get(clientId)?.chatId ?? "";
    this.#timelines.get(chatId)?.touch();
    this.#snapshot = this.#build();
    const chat = this.#snapshot.chats.find(({ id }) => id === chatId);
    const message = chat?.messages.find((message) => message.clientId === clientId);
    if (message) this.#emit({ type: "failed", chatId, message });
  }

  #failAll(chatId: string): void {
    for (const { clientId, failure, saved } of this.#outbox.of(chatId)) {
      if (!failure && !saved) this.#fail(clientId, { code: "closed", message: "the chat is closed" });
    }
  }

  #sendRead(chatId: string): void {
    const seq = this.#timelines.get(chatId)?.ownReadSeq ?? 0;
    // While there is an entry its timer runs, and sends what has been read since.
    if (this.#connection.name !== "live" || this.#readSent.has(chatId)) return;
    this.#readSent.set(chatId, seq);
    this.#write({ type: "read", payload: { chatId, seq } });
    this.timer(READ_SENT_MS, () => {
      this.#readSent.delete(chatId);
      if ((this.#timelines.get(chatId)?.ownReadSeq ?? 0) > seq) this.#sendRead(chatId);
    });
  }

  // What is shown

  #upsert(chat: OpenChat | NewChat): Timeline {
    const timeline = this.#timelines.get(chat.id) ?? new Timeline(chat);
    this.#timelines.set(chat.id, timeline);
    timeline.update(chat);
    return timeline;
  }

  /** Puts a message in its place, and takes it from the send queue once it has it. */
  #place(timeline: Timeline, message: NumberedMessage): NumberedMessage[] {
    const outgoing = this.#outbox.get(message.clientId);
    if (outgoing) {
      timeline.wrote(outgoing.clientId, outgoing.writtenAt);
      this.#outbox.saved(outgoing.clientId, message);
    }
    const shown = timeline.add(message);
    // It may have had its place before it was read from the device, where another tab had written it.
    for (const { clientId, seq } of [message, ...shown]) if (seq <= timeline.end) this.#outbox.remove(clientId);
    return shown;
  }

  /** Tells what has got its place. */
  #show(chatId: string, shown: NumberedMessage[], isNew: boolean): void {
    this.#keep(chatId);
    this.#update(chatId);
    for (const { seq } of shown) {
      const message = this.#timelines.get(chatId)?.messageView(seq);
      if (!message) continue;
      if (message.writtenAt) this.#emit({ type: "saved", chatId, message });
      else this.#emit({ type: "message", chatId, message, isNew });
    }
  }

  #stopTyping(timeline: Timeline): void {
    this.#typing.get(timeline.chat.id)?.();
    this.#typing.delete(timeline.chat.id);
    timeline.typing = false;
    timeline.touch();
  }

  #side(): 0 | 1 {
    return this.#principal?.realm === "organizer" ? 1 : 0;
  }

  #now(): string {
    return new Date(this.#clock.now()).toISOString();
  }

  /** Something has changed that is no event of its own. */
  #update(chatId?: string): void {
    if (chatId) this.#timelines.get(chatId)?.touch();
    this.#emit({ type: "update" });
  }

  #emit(event: SessionEvent): void {
    this.#snapshot = this.#build();
    this.#listeners.tell(this.#snapshot, event);
  }

  #build(): SessionSnapshot {
    const views = [...this.#timelines].map(([id, timeline]) => timeline.view(this.#principal, this.#outbox.of(id)));
    return {
      connection: this.#connection,
      principal: this.#principal,
      chats: views.sort((a, b) => (a.chat.timeStart < b.chat.timeStart ? 1 : -1)),
      synced: this.#synced,
      positions: [...this.#positions.values()],
      agencyQueue: this.#agencyQueue,
      waitingForChat: this.#isWaiting,
      persistent: this.#options.storage.persistent,
    };
  }

  // What is kept

  #load(): Promise<void> {
    this.#loaded ??= (async () => {
      await this.#outbox.load();
      const stored = this.#options.keepChats ? await this.#options.storage.list<StoredChat>(this.#keyOf("")) : [];
      for (const { value } of stored) {
        this.#principal ??= value.principal;
        this.#timelines.set(value.chat.id, Timeline.restore(value));
      }
      this.#update();
    })();
    return this.#loaded;
  }

  /** Stores a chat soon, together with what else happens to it until then. */
  #keep(chatId: string): void {
    if (!this.#options.keepChats || this.#unkept.has(chatId)) return;
    this.#unkept.set(
      chatId,
      this.#clock.after(KEEP_CHATS_MS, () => this.#keepNow(chatId)),
    );
  }

  #keepNow(chatId: string): void {
    this.#unkept.get(chatId)?.();
    this.#unkept.delete(chatId);
    const timeline = this.#timelines.get(chatId);
    if (!timeline || !this.#principal) return;
    void this.#options.storage.set(this.#keyOf(chatId), timeline.toStored(this.#principal));
  }

  #keyOf(chatId: string): string {
    return `chats/${this.#options.owner}/${chatId}`;
  }
}
