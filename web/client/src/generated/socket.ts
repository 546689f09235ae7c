// Made from sidecar/asyncapi.json by scripts/types.mjs: `npm run types -w client`.

export type Id = number;

/** 24 hex digits. Opaque to clients. */
export type ObjectId = string;

/** UTC, always with three fractional digits. */
export type Time = string;

/** The number of a message in its chat, from 1 without gaps. */
export type Seq = number;

/** A UUID: the idempotency key of a message. */
export type ClientId = string;

/** What the request is about. */
export type Kind = "medical" | "lost" | "threat" | "other";

export interface Contact {
  id: Id;
  /** Empty when the account is gone. */
  email: string;
  /** May be empty. */
  phoneNumber: string;
  /** Only of a guest who has said it. */
  name?: string;
  /** Only of a guest: a device has made the account, so nobody reads mail at its `email`. */
  guest?: true;
}

/** `participant` only for organizers, and in `new_chat`; left out when the account is gone. */
export interface Chat {
  id: ObjectId;
  agencyId: Id;
  eventId: Id;
  /** The organizer who has it, or had it last. */
  organizerId: number;
  participantId: Id;
  /** 0 open, 1 closed. */
  ended: 0 | 1;
  /** Degrees: where help was pressed. Left out when it is not known. */
  latStart?: number;
  lngStart?: number;
  timeStart: Time;
  /** The zero time while the chat is open. */
  timeEnd: Time | "0001-01-01T00:00:00Z";
  participant?: Contact;
}

/** A chat in protocol 2, when it is asked for. */
export interface OpenChat {
  id: ObjectId;
  agencyId: Id;
  eventId: Id;
  /** The organizer who has it, or had it last. */
  organizerId: number;
  participantId: Id;
  /** 0 open, 1 closed. */
  ended: 0 | 1;
  /** Degrees: where help was pressed. Left out when it is not known. */
  latStart?: number;
  lngStart?: number;
  timeStart: Time;
  /** The zero time while the chat is open. */
  timeEnd: Time | "0001-01-01T00:00:00Z";
  participant?: Contact;
  /** `waiting` while the chat is back in the queue. */
  state: "active" | "waiting";
  /** The number of the last message. */
  lastSeq: number;
  /** How far the other side has read. */
  readSeq: number;
  /** How far the own side has read. */
  ownReadSeq: number;
  /** Who helps. */
  organizerName?: string;
  kind?: Kind;
  /** Of the position at the start, in metres. */
  accuracyStart?: number;
  positionAtStart?: Time;
}

/** A chat in protocol 2, when it begins. */
export interface NewChat {
  id: ObjectId;
  agencyId: Id;
  eventId: Id;
  /** The organizer who has it, or had it last. */
  organizerId: number;
  participantId: Id;
  /** 0 open, 1 closed. */
  ended: 0 | 1;
  /** Degrees: where help was pressed. Left out when it is not known. */
  latStart?: number;
  lngStart?: number;
  timeStart: Time;
  /** The zero time while the chat is open. */
  timeEnd: Time | "0001-01-01T00:00:00Z";
  participant?: Contact;
  /** The number of the last message. */
  lastSeq: number;
  /** Who helps. */
  organizerName?: string;
  kind?: Kind;
  /** Of the position at the start, in metres. */
  accuracyStart?: number;
  positionAtStart?: Time;
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
  seq: Seq;
  clientId?: ClientId;
  /** Nobody wrote it: the service says what has happened. The text begins with `Mayday: `. */
  system?: true;
}

export interface Principal {
  realm: "organizer" | "participant";
  id: Id;
  /** Only of organizers. */
  agencyId?: number;
  /** Only of organizers: 2 owner, 3 manager, 4 support. */
  role?: 2 | 3 | 4;
  /** How many chats the organizer may have open, if the agency sets a limit. */
  maxOpenChats?: number;
  /** Only of organizers. */
  name?: string;
}

/** For people. Clients of protocol 2 look at `code` instead. */
export type ErrorText =
  | "timeout"
  | "malformed message"
  | "message too large"
  | "too many messages"
  | "invalid message type"
  | "invalid message payload"
  | "message could not be saved"
  | "could not get messages"
  | "could not get chats"
  | "could not get chat from queue"
  | "chat could not be transferred"
  | "internal server error"
  | string;

/** The header of REST: `Bearer`, a space, and the token with its prefix. */
export type Authorization = string;
