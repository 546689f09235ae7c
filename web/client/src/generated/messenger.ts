// Made from components/messenger/openapi.json by scripts/types.mjs: `npm run types -w client`.

export type Id = number;

/** 24 hex digits. Opaque to clients. */
export type ObjectId = string;

/** UTC, always with three fractional digits. */
export type Time = string;

export interface Error {
  statusCode: number;
  /** The first thing that is wrong, for people. */
  message: string;
  /** The reason phrase of the status. */
  error: string;
  /** Of a 5xx: the id that the lines of the log have. It is that of the request's `traceparent`, if it has one. */
  traceId?: string;
}

export interface Chat {
  id: ObjectId;
  agencyId: Id;
  eventId: Id;
  /** The organizer who had it last. */
  organizerId: number;
  participantId: Id;
  /** 1 closed. */
  ended: 1;
  /** Degrees: where help was pressed. Left out when it is not known. */
  latStart?: number;
  lngStart?: number;
  /** When an organizer took the request. */
  timeStart: Time;
  /** When it was closed. */
  timeEnd: Time;
  /** Left out when the account is gone. */
  participant?: Contact;
}

export interface Contact {
  id: Id;
  email: string;
  /** May be empty. */
  phoneNumber: string;
  /** Only of a guest who has said it. */
  name?: string;
  /** Only of a guest: a device has made the account, so nobody reads mail at its `email`. */
  guest?: true;
}

export interface Message {
  id: ObjectId;
  chatId: ObjectId;
  /** A user of the agency, or the participant: `fromOrganizer` says which. */
  authorId: number;
  /** 1 organizer, 0 participant. */
  fromOrganizer: 0 | 1;
  /** May be empty. */
  content: string;
  timeSent: Time;
  /** Degrees. Only of participants' messages. */
  lat?: number;
  lng?: number;
}

export interface NumberedMessage {
  id: ObjectId;
  chatId: ObjectId;
  /** A user of the agency, or the participant: `fromOrganizer` says which. */
  authorId: number;
  /** 1 organizer, 0 participant. */
  fromOrganizer: 0 | 1;
  /** May be empty. */
  content: string;
  timeSent: Time;
  /** Degrees. Only of participants' messages. */
  lat?: number;
  lng?: number;
  /** The number of the message in its chat, from 1 without gaps. */
  seq: number;
  /** The key that the sender's client has given it. */
  clientId?: string;
  /** Nobody wrote it: the service says what has happened. */
  system?: true;
}

/** A chat, with what protocol 2 tells of it. */
export interface NumberedChat {
  id: ObjectId;
  agencyId: Id;
  eventId: Id;
  /** The organizer who had it last. */
  organizerId: number;
  participantId: Id;
  /** 1 closed. */
  ended: 1;
  /** Degrees: where help was pressed. Left out when it is not known. */
  latStart?: number;
  lngStart?: number;
  /** When an organizer took the request. */
  timeStart: Time;
  /** When it was closed. */
  timeEnd: Time;
  /** Left out when the account is gone. */
  participant?: Contact;
  /** The number of its last message. */
  lastSeq: number;
  /** Of the organizer who had it last. */
  organizerName?: string;
  /** What the request was about. */
  kind?: "medical" | "lost" | "threat" | "other";
  /** Of the position at the start, in metres. */
  accuracyStart?: number;
  /** When that was measured. */
  positionAtStart?: Time;
}

/** What is absent, null or an empty text does not restrict. */
export interface ChatSearch {
  /** Only those for this event. */
  eventId?: number | null;
  /** Only those that this organizer had last. */
  organizerId?: number | null;
  /** Only those of this person. */
  participantId?: number | null;
  /** The begin of the period, which belongs to it. */
  from?: string | null;
  /** The end of the period, which does not belong to it. */
  to?: string | null;
  /** Only chats with this text in a message, or in the participant's name or e-mail address, in any case. */
  q?: string | null;
}

export interface Colleague {
  organizerId: Id;
  /** Open chats. */
  activeChats: number;
  /** Whether the organizer waits for the next request. */
  waiting: boolean;
}

/** A step of the canary's path, in this order. */
export type CanaryStep =
  | "prepare_organizer"
  | "sign_in_organizer"
  | "prepare_participant"
  | "sign_in_participant"
  | "connect"
  | "press"
  | "take"
  | "talk_to_participant"
  | "talk_to_organizer"
  | "close";

export interface CanaryRun {
  checkedAt: Time;
  /** Time since `checkedAt`, by the service's clock. */
  ageSeconds: number;
  /** Whether it walked the whole path. */
  ok: boolean;
  /** Null if it walked the whole path. */
  failedStep: CanaryStep | null;
  /** When the first of the failed runs ended, while runs fail. */
  failingSince: Time | null;
}

export interface Statistics {
  /** Null for all of the agency. */
  eventId: number | null;
  from: Time;
  to: Time;
  /** The sum of `taken`, `waiting` and `takenBack`. */
  presses: number;
  /** Taken back before anybody took them. */
  takenBack: number;
  /** Nobody has taken them yet. */
  waiting: number;
  /** An organizer has taken them, at least once. */
  taken: number;
  /** From the press until an organizer first takes it. Null where there is nothing to tell from. */
  waits: {
    /** Of what was taken. */
    medianSeconds: number | null;
    /** Of what was taken, by the nearest rank. */
    p90Seconds: number | null;
    /** The share that was taken in time. */
    within15Seconds: number | null;
    /** The share that was taken in time. */
    within20Seconds: number | null;
  };
  /** How long a step of the series is. */
  stepSeconds: number;
  /** Every step of the period, by the time of the press. */
  series: {
    at: Time;
    presses: number;
    taken: number;
    medianWaitSeconds: number | null;
  }[];
  /** Those who have the chats, or had them last. */
  organizers: {
    organizerId: Id;
    /** The latest that is known. */
    name?: string;
    chats: number;
    medianWaitSeconds: number | null;
    /** From taking to closing. */
    medianMinutes: number | null;
  }[];
}
