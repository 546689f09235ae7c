import type { Clock } from "./clock.js";
import type { Credentials } from "./http.js";
import type { SessionListener, SessionSnapshot, WebSocketConstructor } from "./session-types.js";
import type { Storage } from "./storage.js";
import type { Position } from "./types.js";

export interface SessionOptions {
  /** The full address, with `/connect`. */
  url: string;
  credentials: Credentials;
  /** Where messages are kept until the service has stored them. */
  storage: Storage;
  /** Keeps the messages of several users of one device apart, for example `participant:31`. */
  owner: string;
  /** `globalThis.WebSocket` if absent. */
  WebSocket?: WebSocketConstructor;
  clock?: Clock;
  random?: () => number;
}

/** One user's live connection, kept up for as long as it is wanted. */
export declare class Session {
  constructor(options: SessionOptions);
  readonly snapshot: SessionSnapshot;
  subscribe(listener: SessionListener): () => void;
  start(): Promise<void>;
  stop(): void;
  /** The network is back, or the page is visible again: connect at once, or check that the connection lives. */
  wake(): void;
  /** Resolves with the message's `clientId` when it is stored on the device. */
  send(chatId: string, content: string, position?: Position): Promise<string>;
  /** Sends a failed message again. */
  retry(chatId: string, clientId: string): Promise<void>;
  /** Throws away a message that is failed. */
  discard(chatId: string, clientId: string): Promise<void>;
  /** The own side has read the chat, up to `seq` or its end. */
  markRead(chatId: string, seq?: number): void;
  /** The own side is typing. Call it at each key; it sends little. */
  typing(chatId: string): void;
  /** Organizers: takes the next request; with `wait`, as soon as there is one. */
  startChat(wait?: boolean): void;
  /** Organizers: waits no more. */
  stopWaiting(): void;
  closeChat(chatId: string): void;
  transferChat(chatId: string, organizerId: number): void;
  /** Removes a closed chat from the snapshot. */
  forget(chatId: string): void;
}
