// Made from components/participant/openapi.json by scripts/types.mjs: `npm run types -w client`.

/** Handed out in sequence, for each kind of entity. */
export type Id = number;

/** UTC, always with three fractional digits. */
export type Time = string;

/** Ends after 24 hours, and with a sign-out or a change of password. Clients need not look inside. */
export type Token = string;

/**
 * At least 8 bytes in UTF-8. Nothing else is asked of it, unless the operator wants complete accounts: then a new one
 * must have at least 8 characters, must not be among the most common ones, and must not consist of the e-mail and
 * `mayday`.
 */
export type Password = string;

/** Not checked. May be empty. */
export type PhoneNumber = string;

/** Whatever parses as a mail address, in any script, also with a name: `Jan <jan@example.org>`. */
export type Email = string;

/** What the request is about. */
export type Kind = "medical" | "lost" | "threat" | "other";

export interface Error {
  statusCode: number;
  /** The first thing that is wrong, for people. */
  message: string;
  /** The reason phrase of the status. */
  error: string;
  /** Of a 5xx: the id that the lines of the log have. It is that of the request's `traceparent`, if it has one. */
  traceId?: string;
}

export interface Export {
  exportedAt: Time;
  /** The account; in the first part. */
  profile?: {
    id: Id;
    email: string;
    phoneNumber: PhoneNumber;
    timeCreated: Time;
    timeSignOut: Time;
    guest?: true;
    name?: string;
    /** When the account last got a token. */
    activeAt: Time;
    /** Counts changes of the contact details. */
    contactVersion: number;
  };
  /** In the first part. */
  openRequests?: {
    eventId: Id;
    requestId: string;
  }[];
  /** Presses that have not reached the team's service yet; in the first part. */
  outbox?: ExportedPress[];
  /** Guests who have signed in, as long as the team's service does not know it; in the first part. */
  handOvers?: {
    guestId: Id;
    accountId: Id;
  }[];
  /** Presses that are open, and those whose `clientId` is kept. Left out where a part has none. */
  presses?: {
    requestId: string;
    eventId: Id;
    clientId: string | null;
    pressedAt: Time;
    receivedAt: Time;
    endedAt: Time | null;
  }[];
  /** What the team's service knows beside the chats; with the first of them. */
  messenger?: {
    contact: {
      email: string;
      phoneNumber: string;
      name: string;
      guest: boolean;
      version: number;
    } | null;
    /** The guests who have signed in to the account. */
    guestIds: Id[];
    /** The account that the guest has signed in to. */
    accountId?: Id;
  };
  chats: ExportedChat[];
}

export interface ExportedPress {
  requestId: string;
  eventId: Id;
  agencyId: Id;
  pressedAt: Time;
  receivedAt: Time | null;
  clientId: string | null;
  kind: Kind | null;
  description: string;
  lat: number | null;
  lng: number | null;
  accuracy: number | null;
  positionAt: Time | null;
}

/** A request, or the chat that came of it. */
export interface ExportedChat {
  id: string;
  requestId: string;
  agencyId: Id;
  eventId: Id;
  state: "waiting" | "active" | "ended";
  kind: Kind | null;
  latStart: number | null;
  lngStart: number | null;
  accuracyStart: number | null;
  positionAtStart: Time | null;
  pressedAt: Time;
  receivedAt: Time | null;
  organizerId: Id | null;
  /** Empty where it is not known. */
  organizerName: string;
  timeStart: Time | null;
  timeEnd: Time | null;
  hasBeenRequeued: boolean;
  /** The number of the last message that was read. */
  readByParticipant: number;
  /**
   * Whether a deletion of the account leaves the chat in the agency's archive, with its messages and positions: so it
   * is once an organizer has taken it.
   */
  keptAfterDeletion: boolean;
  messages: ExportedMessage[];
}

export interface ExportedMessage {
  seq: number;
  id: string;
  authorId: Id;
  fromOrganizer: boolean;
  /** Written by the service about the chat. */
  isSystem: boolean;
  content: string;
  timeSent: Time;
  lat: number | null;
  lng: number | null;
  clientId: string | null;
}

export interface Participant {
  id: Id;
  /** Unique; never changes. Of a guest, an address that goes nowhere. */
  email: string;
  phoneNumber: PhoneNumber;
  timeCreated: Time;
  /** Tokens issued before it are void. At first the time of creation. */
  timeSignOut: Time;
  /** Only of a guest: an account that a device has made to press help at once. */
  guest?: true;
  /** Only of a guest who has said it. */
  name?: string;
}

export interface SignedIn {
  user: Participant;
  token: Token;
}

export interface NewGuest {
  user: Participant;
  token: Token;
  /** The device keeps it, and signs in with it when the token has ended. */
  password: string;
}

export interface GuestDetails {
  phoneNumber?: PhoneNumber;
  /** What to call the guest. The team sees it. */
  name?: string;
}

export interface SignUp {
  email: Email;
  password: Password;
  /** The same password again. */
  confirmPassword: Password;
  phoneNumber?: PhoneNumber;
}

export interface SignIn {
  email: Email;
  password: Password;
}

export interface ProfileEdits {
  phoneNumber?: PhoneNumber;
}

export interface PasswordChange {
  oldPassword: Password;
  /** Not the old one. */
  newPassword: Password;
  /** The new one again. */
  confirmNewPassword: Password;
}

export interface PasswordProof {
  password: Password;
}

export interface Event {
  id: Id;
  name: string;
  description: string;
  address: string;
  lat: number;
  lng: number;
  timeStart: Time;
  timeEnd: Time;
  agencyId: Id;
  /** The number that the agency publishes for people who need help. Never a person's private number. */
  helpPhoneNumber?: string;
}

/** An event, and how the caller stands to it. */
export interface EventOfMine {
  id: Id;
  name: string;
  description: string;
  address: string;
  lat: number;
  lng: number;
  timeStart: Time;
  timeEnd: Time;
  agencyId: Id;
  /** The number that the agency publishes for people who need help. Never a person's private number. */
  helpPhoneNumber?: string;
  /** Whether the caller has a request or a chat open for it. */
  isChatRequested: boolean;
}

/**
 * Only `eventId` is needed. What is not valid of the rest is left out and never refuses a press; only `description`
 * must be a text and not too long, and `lat` and `lng` must be numbers.
 */
export interface Press {
  eventId: number;
  /** At most 2000 bytes in UTF-8. */
  description?: string;
  /** Degrees. Counts only with `lng`, and between -90 and 90. */
  lat?: number;
  /** Degrees. Counts only with `lat`, and between -180 and 180. */
  lng?: number;
  /** Of the position, in metres. */
  accuracy?: number;
  /** When the position was measured. */
  positionAt?: string;
  kind?: Kind;
  /** The same whenever this press is sent: the press is stored once, and a repetition is answered as before. */
  clientId?: string;
  /** When it was pressed. Counts for the queue, up to 15 minutes back and never in the future. */
  pressedAt?: string;
}

/**
 * What is left out stays. A new position replaces the old one with its accuracy and age, of which what is not valid is
 * left out.
 */
export interface Amendment {
  kind?: Kind;
  /** At most 2000 bytes in UTF-8. */
  description?: string;
  /** Degrees. Counts only with `lng`, and between -90 and 90. */
  lat?: number;
  /** Degrees. Counts only with `lat`, and between -180 and 180. */
  lng?: number;
  /** Of the position, in metres. */
  accuracy?: number;
  /** When the position was measured. */
  positionAt?: string;
}

export interface HelpRequest {
  eventId: Id;
  /** That of the press, if it had one. */
  clientId?: string;
  /** `active`: an organizer has it. `ended` only answers a press that was sent again after its end. */
  state: "waiting" | "active" | "ended";
  /** 1 is the next. Null when the request does not wait, and while it is not known. */
  position: number | null;
  /** From the latest pickups; -1 when unknown. */
  estimatedWaitSeconds: number;
  pressedAt: Time;
  receivedAt: Time;
  /** Once an organizer has, or had, the request. */
  chatId?: string;
  kind?: Kind;
  /** Left out when it is empty. */
  description?: string;
}
