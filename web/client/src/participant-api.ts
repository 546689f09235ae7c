import type { HttpOptions } from "./http.js";
import type { HelpRequest, NewRequest, Participant, PublicEvent, RequestDetails } from "./types.js";

export interface CallOptions {
  signal?: AbortSignal;
}
export interface SignedIn {
  user: Participant;
  token: string;
}
export interface EventFilter {
  query?: string;
  from?: string;
  to?: string;
}

export declare class ParticipantApi {
  constructor(options: HttpOptions);
  guest(
    body?: { phoneNumber?: string; name?: string },
    options?: CallOptions,
  ): Promise<SignedIn & { password: string }>;
  /** With credentials of a guest, the guest's account becomes the full one. */
  signUp(
    body: { email: string; password: string; confirmPassword: string; phoneNumber?: string },
    options?: CallOptions,
  ): Promise<SignedIn>;
  /** With credentials of a guest, what the guest has open goes over to the account. */
  signIn(body: { email: string; password: string }, options?: CallOptions): Promise<SignedIn>;
  signOut(options?: CallOptions): Promise<void>;
  profile(options?: CallOptions): Promise<Participant>;
  editProfile(body: { phoneNumber: string }, options?: CallOptions): Promise<Participant>;
  changePassword(
    body: { oldPassword: string; newPassword: string; confirmNewPassword: string },
    options?: CallOptions,
  ): Promise<Participant>;
  deleteProfile(body: { password: string }, options?: CallOptions): Promise<Participant>;
  events(filter?: EventFilter, options?: CallOptions): Promise<PublicEvent[]>;
  event(id: number, options?: CallOptions): Promise<PublicEvent>;
  /** Asks for help. Repeats itself without harm: `clientId` is the idempotency key. */
  press(request: NewRequest, options?: CallOptions): Promise<HelpRequest>;
  myRequests(options?: CallOptions): Promise<HelpRequest[]>;
  editRequest(eventId: number, details: RequestDetails, options?: CallOptions): Promise<HelpRequest>;
  cancelRequest(eventId: number, options?: CallOptions): Promise<void>;
}
