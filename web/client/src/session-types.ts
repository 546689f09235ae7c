import type { Principal, QueuePositionFrame, QueueStatusFrame } from "./generated/socket.js";
import type { Chat, Position, Timestamp } from "./types.js";

export type { Principal } from "./generated/socket.js";

export type ConnectionState =
  | { readonly name: "idle" }
  | { readonly name: "connecting"; readonly attempt: number }
  | { readonly name: "live" }
  /** `at` is the time of the next attempt, in milliseconds since 1970. */
  | { readonly name: "waiting"; readonly attempt: number; readonly at: number; readonly reason: string }
  /** The session does not connect again by itself. `start()` begins anew. */
  | { readonly name: "ended"; readonly reason: EndReason; readonly code?: number };

/**
 * `stopped`: by `stop()`. `sign-in`: the token is not valid any more. `replaced`: the user has opened too many
 * connections. `idle`: nothing was said for 30 minutes. `protocol`: the server does not understand the client.
 * `refused`: the server says that the client is not to come back.
 */
export type EndReason = "stopped" | "sign-in" | "replaced" | "idle" | "protocol" | "refused";

/**
 * `queued`: on this device. `sending`: written to the socket, not yet answered. `saved`: stored by the service.
 * `read`: the other side has read it. `failed`: the service refuses it for good.
 */
export type MessageState = "queued" | "sending" | "saved" | "read" | "failed";

export interface MessageView extends Partial<Position> {
  /** Unique in the chat and the same from the first moment on: a key for lists. */
  readonly key: string;
  readonly state: MessageState;
  readonly mine: boolean;
  readonly fromOrganizer: boolean;
  readonly system: boolean;
  readonly content: string;
  /** When the service has stored it; before that, when it was written. */
  readonly time: Timestamp;
  /** When it was written on this device; only of messages that this device has sent or is sending. */
  readonly writtenAt?: Timestamp;
  readonly authorId?: number;
  readonly id?: string;
  readonly seq?: number;
  readonly clientId?: string;
  readonly failure?: Failure;
}

export interface Failure {
  readonly code: string;
  readonly message: string;
}

export interface ChatView {
  readonly id: string;
  readonly chat: Chat;
  /** `waiting`: back in the queue, since the organizer was gone for too long. */
  readonly state: "active" | "waiting" | "closed";
  readonly organizerId: number;
  /** In the order of `seq`, what is not stored yet behind them. Without gaps. */
  readonly messages: readonly MessageView[];
  /** All messages up to `lastSeq` are there. */
  readonly complete: boolean;
  readonly lastSeq: number;
  /** How far the other side has read. */
  readonly readSeq: number;
  /** How far the own side has read. */
  readonly ownReadSeq: number;
  /** Messages of the other side behind `ownReadSeq`. */
  readonly unread: number;
  /** Somebody of the other side has been typing in the last seconds. */
  readonly typing: boolean;
}

/** The place in the queue of a participant who waits. */
export type QueuePosition = Readonly<QueuePositionFrame["payload"]>;

/** Everything a page shows. A snapshot never changes; parts that have not changed are the same objects as before. */
export interface SessionSnapshot {
  readonly connection: ConnectionState;
  readonly principal: Principal | undefined;
  /** Newest first. A closed chat stays until `forget`. */
  readonly chats: readonly ChatView[];
  /** Chats and messages were read over the current connection, or over the last one while there is none. */
  readonly synced: boolean;
  /** Places in the queue of a participant who waits, one per event. */
  readonly positions: readonly QueuePosition[];
  /** The queue of the agency, for organizers. */
  readonly agencyQueue: Readonly<QueueStatusFrame["payload"]> | undefined;
  /** The organizer has asked for the next chat and waits. */
  readonly waitingForChat: boolean;
  /** What is queued survives the end of the page. */
  readonly persistent: boolean;
}

/** What has happened, for sounds and announcements. The snapshot of the same call already shows it. */
export type SessionEvent =
  | { readonly type: "connection"; readonly connection: ConnectionState }
  | { readonly type: "new_chat"; readonly chatId: string; readonly eventId: number }
  | { readonly type: "message"; readonly chatId: string; readonly message: MessageView; readonly isNew: boolean }
  | { readonly type: "saved"; readonly chatId: string; readonly message: MessageView }
  | { readonly type: "failed"; readonly chatId: string; readonly message: MessageView }
  | { readonly type: "read"; readonly chatId: string; readonly seq: number; readonly fromOrganizer: boolean }
  | { readonly type: "typing"; readonly chatId: string }
  | { readonly type: "closed_chat"; readonly chatId: string }
  | { readonly type: "chat_requeued"; readonly chatId: string }
  | { readonly type: "chat_transferred"; readonly chatId: string; readonly organizerId: number }
  | { readonly type: "queue_position"; readonly eventId: number; readonly position: number }
  | { readonly type: "error"; readonly code: string; readonly message: string; readonly retryAfterSeconds?: number }
  /** Anything else the snapshot has changed by. */
  | { readonly type: "update" };

export type SessionListener = (snapshot: SessionSnapshot, event: SessionEvent) => void;

/** What the library needs of a WebSocket: that of browsers and Node 22, and that of the package `ws`. */
export interface WebSocketLike {
  readonly readyState: number;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}
export type WebSocketConstructor = new (url: string) => WebSocketLike;
