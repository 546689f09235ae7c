/** What a page needs to ask for help, and no more. */
export { Account, type AccountSnapshot } from "./account.js";
export { ApiError, type Credentials } from "./http.js";
export { MemoryStorage } from "./memory.js";
export { type CallOptions, type EventFilter, ParticipantApi, type SignedIn } from "./participant-api.js";
export { PressQueue } from "./press-queue.js";
export type { Press, PressListener, PressSnapshot, PressStep } from "./press-types.js";
export type { Storage } from "./storage.js";
export type { HelpRequest, Participant, PublicConfig, PublicEvent, RequestDetails, RequestKind } from "./types.js";
