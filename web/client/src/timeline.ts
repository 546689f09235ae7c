import type { NumberedMessage, Principal } from "./generated/socket.js";
import type { Outgoing } from "./outbox.js";
import type { ChatView, MessageView } from "./session-types.js";
import type { Chat, Position } from "./types.js";

/** What is kept of a chat between two visits. */
export interface StoredChat {
  principal: Principal;
  chat: Chat;
  state: ChatView["state"];
  messages: NumberedMessage[];
  readSeq: number;
  ownReadSeq: number;
}

/** A chat as far as this client knows it. */
export class Timeline {
  chat: Chat;
  state: ChatView["state"] = "active";
  lastSeq = 0;
  readSeq = 0;
  ownReadSeq = 0;
  typing = false;
  /** The service did not send what it says is there. It is not asked again before the next connection. */
  stuck = false;
  /** All messages have been there once: what is missing since then is new to the person. */
  caughtUp = false;
  /** Number n is at n - 1: there are no gaps. */
  #messages: NumberedMessage[] = [];
  /** Messages behind a gap. */
  #ahead = new Map<number, NumberedMessage>();
  /** When own messages were written on this device, by `clientId`. */
  readonly #writtenAt = new Map<string, string>();
  #messageViews = new Map<string, MessageView>();
  #view: ChatView | undefined;

  constructor(chat: Chat) {
    this.chat = chat;
  }

  static restore(stored: StoredChat): Timeline {
    const timeline = new Timeline(stored.chat);
    timeline.state = stored.state;
    timeline.#messages = stored.messages;
    timeline.readSeq = stored.readSeq;
    timeline.ownReadSeq = stored.ownReadSeq;
    timeline.lastSeq = stored.messages.length;
    timeline.caughtUp = true;
    return timeline;
  }

  toStored(principal: Principal): StoredChat {
    const { chat, state, readSeq, ownReadSeq } = this;
    return { principal, chat, state, messages: this.#messages, readSeq, ownReadSeq };
  }

  /** How far the messages go without a gap. */
  get end(): number {
    return this.#messages.length;
  }

  get isMissingMessages(): boolean {
    return this.state !== "closed" && !this.stuck && this.end < this.lastSeq;
  }

  /** Takes what an answer or an event says about the chat as a whole. */
  update(chat: Chat): void {
    this.chat = { ...this.chat, ...chat };
    this.state = chat.ended ? "closed" : (chat.state ?? "active");
    this.lastSeq = Math.max(this.lastSeq, chat.lastSeq ?? 0);
    this.readSeq = Math.max(this.readSeq, chat.readSeq ?? 0);
    this.ownReadSeq = Math.max(this.ownReadSeq, chat.ownReadSeq ?? 0);
    this.stuck = false;
    this.caughtUp ||= this.end >= this.lastSeq;
    this.touch();
  }

  /** The service knows fewer messages than this client: it was restored from a copy. Its word counts. */
  reset(): void {
    this.#messages = [];
    this.#ahead.clear();
    this.lastSeq = this.readSeq = this.ownReadSeq = 0;
  }

  /** Takes a message, once and in order. Returns the messages that can be shown now and could not before. */
  add(message: NumberedMessage): NumberedMessage[] {
    this.lastSeq = Math.max(this.lastSeq, message.seq);
    if (message.seq > this.end) this.#ahead.set(message.seq, message);
    const shown: NumberedMessage[] = [];
    for (let next = this.#ahead.get(this.end + 1); next; next = this.#ahead.get(this.end + 1)) {
      this.#ahead.delete(next.seq);
      this.#messages.push(next);
      shown.push(next);
    }
    this.caughtUp ||= this.end >= this.lastSeq;
    this.touch();
    return shown;
  }

  wrote(clientId: string, at: string): void {
    this.#writtenAt.set(clientId, at);
  }

  touch(): void {
    this.#view = undefined;
  }

  view(principal: Principal | undefined, outgoing: Outgoing[]): ChatView {
    this.#view ??= this.#build(principal, outgoing);
    return this.#view;
  }

  messageView(seq: number): MessageView | undefined {
    return this.#view?.messages[seq - 1];
  }

  #build(principal: Principal | undefined, outgoing: Outgoing[]): ChatView {
    const side = principal?.realm === "organizer" ? 1 : 0;
    const messages = [
      ...this.#messages.map((message) => this.#viewOf(message, message.fromOrganizer === side, principal)),
      ...outgoing.map((message) => this.#outgoingView(message, side)),
    ];
    this.#messageViews = new Map(messages.map((message) => [message.key, message]));
    return {
      id: this.chat.id,
      chat: this.chat,
      state: this.state,
      organizerId: this.chat.organizerId,
      messages,
      complete: this.end >= this.lastSeq,
      lastSeq: this.lastSeq,
      readSeq: this.readSeq,
      ownReadSeq: this.ownReadSeq,
      unread: this.#messages
        .slice(this.ownReadSeq)
        .filter((message) => message.fromOrganizer !== side && !message.system).length,
      typing: this.typing,
    };
  }

  #viewOf(message: NumberedMessage, ofOwnSide: boolean, principal: Principal | undefined): MessageView {
    const key = message.clientId ? `c:${message.clientId}` : `s:${message.seq}`;
    const state = message.seq <= (ofOwnSide ? this.readSeq : this.ownReadSeq) ? "read" : "saved";
    const known = this.#messageViews.get(key);
    if (known?.seq === message.seq && known.state === state) return known;
    const { id, seq, clientId, authorId, content, timeSent, system = false } = message;
    const writtenAt = this.#writtenAt.get(clientId ?? "");
    return {
      ...{ key, state, content, authorId, id, seq, system, time: timeSent },
      mine: ofOwnSide && !system && authorId === principal?.id,
      fromOrganizer: message.fromOrganizer === 1,
      ...(clientId && { clientId }),
      ...(writtenAt && { writtenAt }),
      ...positionOf(message),
    };
  }

  #outgoingView(message: Outgoing, side: 0 | 1): MessageView {
    const { clientId, content, writtenAt, failure, saved } = message;
    const key = `c:${clientId}`;
    const state = failure ? "failed" : saved ? "saved" : message.sending ? "sending" : "queued";
    const known = this.#messageViews.get(key);
    if (known?.state === state && known.failure === failure) return known;
    return {
      ...{ key, state, content, clientId, writtenAt, mine: true, system: false, fromOrganizer: side === 1 },
      time: saved?.timeSent ?? writtenAt,
      ...(failure && { failure }),
      ...positionOf(message),
    };
  }
}

/** The position of a message that has one. */
export function positionOf({ lat, lng }: Partial<Position>): Partial<Position> {
  return lat !== undefined && lng !== undefined ? { lat, lng } : {};
}
