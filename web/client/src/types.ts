/** Entities as the services send them. Their fields are described in the wire contract, sections 1.3 to 1.5. */

import type { EventOfMine, Kind, Event as PublicEventBody } from "./generated/participant.js";

export type { CanaryRun, Colleague, Statistics } from "./generated/messenger.js";
export type {
  Agency,
  Changelog,
  Comment,
  Contact,
  Event as AgencyEvent,
  Issue,
  NewSecondFactor,
  Priority as IssuePriority,
  ProvenChangelog,
  RecoveryCodes,
  Role,
  SecondFactor,
  Status as IssueStatus,
  User,
  Verdict,
} from "./generated/organizer.js";
export type { Export, HelpRequest, Kind as RequestKind, Participant } from "./generated/participant.js";

/** RFC 3339, UTC. */
export type Timestamp = string;

export interface AgencySettings {
  maxOpenChats: number | null;
  /** What the agency publishes for people who need help. */
  helpPhoneNumber?: string | null;
}

/** An image of a venue, as a data URL, and where its edges are. */
export interface Plan {
  image: string;
  north: number;
  south: number;
  east: number;
  west: number;
}

/** An event as participants see it. `isChatRequested` is only in the answer for a single one. */
export type PublicEvent = PublicEventBody & Partial<Pick<EventOfMine, "isChatRequested">>;

export interface Chat {
  id: string;
  agencyId: number;
  eventId: number;
  organizerId: number;
  participantId: number;
  ended: 0 | 1;
  latStart?: number;
  lngStart?: number;
  timeStart: Timestamp;
  timeEnd: Timestamp;
  participant?: { id: number; email: string; phoneNumber: string; guest?: boolean; name?: string };
  /** Name of the organizer, where the server tells it. */
  organizerName?: string;
  /** The rest only over a socket of protocol 2. */
  state?: "active" | "waiting";
  /** What the press said. */
  kind?: Kind;
  accuracyStart?: number;
  positionAtStart?: Timestamp;
  lastSeq?: number;
  readSeq?: number;
  ownReadSeq?: number;
}

export interface Message {
  id: string;
  chatId: string;
  authorId: number;
  fromOrganizer: 0 | 1;
  content: string;
  timeSent: Timestamp;
  lat?: number;
  lng?: number;
  /** The rest only over a socket of protocol 2. */
  seq?: number;
  clientId?: string;
  /** Nobody wrote it: the service says what has happened. */
  system?: boolean;
}

export interface Position {
  lat: number;
  lng: number;
}

/** What a person may say about a request beside "help". All of it is optional, and none of it can make a press fail. */
export interface RequestDetails extends Partial<Position> {
  description?: string;
  kind?: Kind;
  /** Of the position, in metres. */
  accuracy?: number;
  /** When the position was taken. */
  positionAt?: Timestamp;
}

export interface NewRequest extends RequestDetails {
  eventId: number;
  /** A UUID. The same again is answered as before and changes nothing. */
  clientId: string;
  pressedAt: Timestamp;
}

/** Public settings of an installation, `/config.json`. */
export interface PublicConfig {
  /** The full address with `/connect`; empty for the page's own host. */
  websocketUrl: string;
  tileUrl: string;
  languages: string[];
}
