import type { QueuePosition } from "./session-types.js";
import type { NewRequest, Timestamp } from "./types.js";

/**
 * The ladder of a press. Each step is true when it is shown. A press goes back in two cases only: from `sent` to
 * `kept` when there was no answer, and from `taken` or `read` to `waiting` when the organizer was lost.
 * - `kept`: on this device; nothing has been sent, or what was sent was not answered.
 * - `sent`: handed to the network, not answered yet.
 * - `safe`: stored by the service at `receivedAt`.
 * - `waiting`: in the queue, at `position`.
 * - `taken`: an organizer has taken it; the chat is `chatId`.
 * - `read`: the organizer has read the first message of the chat.
 * - `ended`: the chat was closed, or the request was taken back.
 * - `failed`: the service refuses it for good; `failure` says why.
 */
export type PressStep = "kept" | "sent" | "safe" | "waiting" | "taken" | "read" | "ended" | "failed";

export interface Press extends NewRequest {
  readonly step: PressStep;
  readonly receivedAt?: Timestamp;
  readonly position?: number;
  /** -1 when unknown. */
  readonly estimatedWaitSeconds?: number;
  readonly chatId?: string;
  readonly organizerId?: number;
  readonly organizerName?: string;
  /** The person takes it back, and the service has not confirmed that yet. */
  readonly cancelling?: boolean;
  /** Ended by `cancel`, and not because a chat was closed. */
  readonly cancelled?: boolean;
  /**
   * The service does not have all details yet. Once there is a `chatId` the queue cannot add them any more: send them
   * as a message, then call `detailsSaid`.
   */
  readonly detailsPending?: boolean;
  /** It may have reached the service. */
  readonly attempted?: boolean;
  /** Why it is not further: the last error. Of a `failed` press it is final. Status 0: no answer; 401: sign in again. */
  readonly failure?: { readonly status: number; readonly message: string } | undefined;
  /** When it is tried again, in milliseconds since 1970. */
  readonly retryAt?: number;
}

export interface PressSnapshot {
  /** The stored presses have been read. */
  readonly loaded: boolean;
  /** Newest first. */
  readonly presses: readonly Press[];
  /** A press survives the end of the page. */
  readonly persistent: boolean;
}

/** What the queue takes from a `Session`. */
export interface FollowedSession {
  readonly snapshot: {
    readonly connection: { readonly name: string };
    readonly positions: readonly QueuePosition[];
    readonly chats: readonly {
      readonly id: string;
      readonly state: "active" | "waiting" | "closed";
      readonly organizerId: number;
      readonly readSeq: number;
      readonly chat: { readonly eventId: number; readonly timeStart: Timestamp; readonly organizerName?: string };
    }[];
  };
  subscribe(listener: () => void): () => void;
  /** Shows no place in the queue for an event any more, until the service tells one. */
  forgetPosition(eventId: number): void;
}
