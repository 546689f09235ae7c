import type { Failure } from "./session-types.js";
import type { NewRequest, Timestamp } from "./types.js";

/**
 * The ladder of a press. Each step is true when it is shown, and a press can go back from `sent` to `kept` only.
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
  readonly cancelling: boolean;
  /** Details that the service does not have yet. */
  readonly detailsPending: boolean;
  /** While `kept`: how often it was tried, when it is tried again (milliseconds since 1970) and what was wrong. */
  readonly attempts: number;
  readonly retryAt?: number;
  readonly failure?: Failure;
}

export interface PressSnapshot {
  /** The stored presses have been read. */
  readonly loaded: boolean;
  /** Newest first. */
  readonly presses: readonly Press[];
  /** A press survives the end of the page. */
  readonly persistent: boolean;
}

export type PressListener = (snapshot: PressSnapshot) => void;
