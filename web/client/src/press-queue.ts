import type { Account } from "./account.js";
import type { Clock } from "./clock.js";
import type { Press, PressListener, PressSnapshot } from "./press-types.js";
import type { SessionSnapshot } from "./session-types.js";
import type { Storage } from "./storage.js";
import type { RequestDetails } from "./types.js";

/** Presses of this device: each is stored before it is sent, and sent until it is answered. */
export declare class PressQueue {
  constructor(options: { account: Account; storage: Storage; clock?: Clock; random?: () => number });
  readonly snapshot: PressSnapshot;
  subscribe(listener: PressListener): () => void;
  /** Reads what is stored, sends what is unsent, and asks for what other devices of the person have pressed. */
  start(): Promise<void>;
  stop(): void;
  /** Resolves when the press is stored (or, without storage, in memory). Again for the same event: the same press. */
  press(eventId: number, details?: RequestDetails): Promise<Press>;
  /** Adds what was not said at the press. Sent when there is a network. */
  addDetails(eventId: number, details: RequestDetails): Promise<void>;
  /** Takes the request back. */
  cancel(eventId: number): Promise<void>;
  /** Forgets a press that has ended or failed. */
  forget(eventId: number): Promise<void>;
  /** The network is back, or the page is visible again: try at once. */
  wake(): void;
  /** Asks the service how things stand. */
  refresh(): Promise<void>;
  /** Takes positions, chats and read marks from a session. */
  follow(session: {
    readonly snapshot: SessionSnapshot;
    subscribe(listener: (snapshot: SessionSnapshot) => void): () => void;
  }): () => void;
}
