export { Account, type AccountOptions, type AccountSnapshot } from "./account.js";
export { type Clock, systemClock } from "./clock.js";
export {
  ApiError,
  type CallOptions,
  type Credentials,
  type Fetch,
  Http,
  type HttpOptions,
} from "./http.js";
export { MemoryStorage } from "./memory.js";
export { type ChatFilter, type MessageRange, MessengerApi } from "./messenger-api.js";
export {
  type IssueEdits,
  type NewAgency,
  type NewContact,
  type NewEvent,
  type NewIssue,
  type NewPerson,
  type NewUser,
  OrganizerApi,
  type OrganizerSignedIn,
  type PersonEdits,
} from "./organizer-api.js";
export { OrganizerSession } from "./organizer-session.js";
export type { Page, PageQuery } from "./pages.js";
export { type EventFilter, HelpApi, ParticipantApi, type SignedIn } from "./participant-api.js";
export { PressQueue, type PressQueueOptions } from "./press-queue.js";
export type { FollowedSession, Press, PressSnapshot, PressStep } from "./press-types.js";
export { Session, SessionError, type SessionOptions } from "./session.js";
export type * from "./session-types.js";
export type { Storage } from "./storage.js";
export type * from "./types.js";
