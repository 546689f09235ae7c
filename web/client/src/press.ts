/** What a page needs to ask for help, and no more. */
export { Account, type AccountOptions, type AccountSnapshot } from "./account.js";
export { ApiError, type CallOptions, type Credentials, type Fetch } from "./http.js";
export { type EventFilter, HelpApi, type SignedIn } from "./participant-api.js";
export { PressQueue, type PressQueueOptions } from "./press-queue.js";
export type { FollowedSession, Press, PressSnapshot, PressStep } from "./press-types.js";
export type { Storage } from "./storage.js";
export type { HelpRequest, Participant, PublicConfig, PublicEvent, RequestDetails, RequestKind } from "./types.js";
