import type {
  GuestDetails,
  NewGuest,
  PasswordChange,
  PasswordProof,
  ProfileEdits,
  SignedIn,
  SignIn,
  SignUp,
} from "./generated/participant.js";
import { type CallOptions, Http, type HttpOptions } from "./http.js";
import { part } from "./pages.js";
import type { Export, HelpRequest, NewRequest, Participant, PublicEvent, RequestDetails } from "./types.js";

export type { SignedIn } from "./generated/participant.js";

export interface EventFilter {
  query?: string;
  from?: string;
  to?: string;
}

/** What of the participant service a press needs. */
export class HelpApi {
  protected readonly http: Http;

  constructor(options: HttpOptions) {
    this.http = new Http(options);
  }

  guest(body: GuestDetails = {}, options?: CallOptions) {
    return this.http.call<NewGuest>("POST", "/auth/guest", { ...options, body, anonymous: true });
  }

  /** With credentials of a guest, the guest's account becomes the full one. */
  signUp(body: Omit<SignUp, "confirmPassword">, options?: CallOptions) {
    return this.http.call<SignedIn>("POST", "/auth/sign-up", {
      ...options,
      body: { ...body, confirmPassword: body.password },
    });
  }

  /** With credentials of a guest, what the guest has open goes over to the account, unless `anonymous`. */
  signIn(body: SignIn, options?: CallOptions & { anonymous?: boolean; idempotent?: boolean }) {
    return this.http.call<SignedIn>("POST", "/auth/sign-in", { ...options, body });
  }

  signOut(options?: CallOptions) {
    return this.http.call<void>("POST", "/auth/sign-out", options);
  }

  changePassword(body: Omit<PasswordChange, "confirmNewPassword">, options?: CallOptions) {
    return this.http.call<Participant>("PATCH", "/profile/change-password", {
      ...options,
      body: { ...body, confirmNewPassword: body.newPassword },
    });
  }

  events(filter?: EventFilter, options?: CallOptions) {
    return this.http.get<PublicEvent[]>("/events", { ...options, query: filter });
  }

  event(id: number, options?: CallOptions) {
    return this.http.get<PublicEvent>(`/events/${id}`, options);
  }

  /** Asks for help. May be repeated without harm: `clientId` is the idempotency key. */
  press(body: NewRequest, options?: CallOptions) {
    return this.http.call<HelpRequest>("POST", "/chat-requests", { ...options, body, idempotent: true });
  }

  myRequests(options?: CallOptions) {
    return this.http.get<HelpRequest[]>("/chat-requests/mine", options);
  }

  /** Adds to a request that waits what was not said at the press. */
  editRequest(eventId: number, body: RequestDetails, options?: CallOptions) {
    return this.http.call<HelpRequest>("PATCH", `/chat-requests/mine/${eventId}`, {
      ...options,
      body,
      idempotent: true,
    });
  }

  /** Takes back a request that waits. */
  cancelRequest(eventId: number, options?: CallOptions) {
    return this.http.call<void>("DELETE", `/chat-requests/mine/${eventId}`, options);
  }
}

/** The participant service. */
export class ParticipantApi extends HelpApi {
  profile(options?: CallOptions) {
    return this.http.get<Participant>("/profile", options);
  }

  editProfile(body: ProfileEdits, options?: CallOptions) {
    return this.http.call<Participant>("PATCH", "/profile", { ...options, body, idempotent: true });
  }

  /** All that is stored about the caller. A large account comes in parts, which are put together here. */
  async exportProfile(options?: CallOptions): Promise<Export> {
    let { part: whole, next } = await part<Export>(this.http, "/profile/export", options);
    while (next) {
      const following = await part<Export>(this.http, "/profile/export", { ...options, query: { cursor: next } });
      whole = joined(whole, following.part);
      next = following.next;
    }
    return whole;
  }

  deleteProfile(body: PasswordProof, options?: CallOptions) {
    return this.http.call<Participant>("DELETE", "/profile", { ...options, body });
  }
}

/** A chat that did not fit into a part goes on in the next one. */
function joined(before: Export, after: Export): Export {
  const chats = [...before.chats];
  const [first, ...rest] = after.chats;
  const last = chats.at(-1);
  if (first && last?.id === first.id) {
    chats[chats.length - 1] = { ...last, messages: [...last.messages, ...first.messages] };
    chats.push(...rest);
  } else chats.push(...after.chats);
  return { ...before, ...after, presses: [...(before.presses ?? []), ...(after.presses ?? [])], chats };
}
