/** Entities as the services send them. Their fields are described in the wire contract, sections 1.3 to 1.5. */

/** RFC 3339, UTC. */
export type Timestamp = string;

/** 0 superadmin, 1 admin, 2 agency owner, 3 agency manager, 4 agency support. */
export type Role = 0 | 1 | 2 | 3 | 4;

export interface Participant {
  id: number;
  email: string;
  phoneNumber: string;
  timeCreated: Timestamp;
  timeSignOut: Timestamp;
  /** An account without an e-mail address, made by the device for a press. */
  guest?: boolean;
  name?: string;
}

export interface User {
  id: number;
  email: string;
  firstName: string;
  lastName: string;
  phoneNumber: string;
  timeCreated: Timestamp;
  timeSignOut: Timestamp;
  role: Role;
  agencyId: number | null;
}

export interface Agency {
  id: number;
  name: string;
  address: string;
  website: string | null;
  approved: boolean;
}

export interface AgencySettings {
  maxOpenChats: number | null;
  /** What the agency publishes for people who need help. */
  helpPhoneNumber?: string | null;
}

/** An event of an agency: a concert, a match, a festival. */
export interface AgencyEvent {
  id: number;
  name: string;
  description: string;
  address: string;
  lat: number;
  lng: number;
  timeStart: Timestamp;
  timeEnd: Timestamp;
  agencyId: number;
  /** Whether there is a plan of its venue. */
  hasPlan?: boolean;
}

/** An image of a venue, as a data URL, and where its edges are. */
export interface Plan {
  image: string;
  north: number;
  south: number;
  east: number;
  west: number;
}

/** An event as participants see it. */
export interface PublicEvent extends AgencyEvent {
  /** The number of the team, if the agency publishes one. */
  helpPhoneNumber?: string;
  /** Only in the answer for a single event: the participant has an open request or chat. */
  isChatRequested?: boolean;
}

export interface Contact {
  id: number;
  firstName: string;
  lastName: string;
  email: string;
  phoneNumber: string;
  additionalNotes: string;
  eventId: number;
  agencyId: number;
}

export type IssueStatus = "to_do" | "in_progress" | "resolved" | "cancelled";
export type IssuePriority = "low" | "medium" | "high";

export interface Issue {
  id: number;
  name: string;
  description: string;
  status: IssueStatus;
  priority: IssuePriority;
  timeCreated: Timestamp;
  timeClosed: Timestamp | null;
  authorId: number;
  eventId: number;
  agencyId: number;
}

export interface Comment {
  id: number;
  content: string;
  timeCreated: Timestamp;
  authorId: number;
  issueId: number;
  agencyId: number;
}

export interface Changelog {
  id: number;
  entityId: number;
  entityClass: "User" | "Agency" | "Event" | "Contact" | "Issue" | "Comment";
  type: "insert" | "update" | "delete";
  changedAt: Timestamp;
  /** JSON text of the entity after the change, null after a delete. */
  valueAfter: string | null;
  userId: number;
  agencyId: number | null;
}

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
  kind?: RequestKind;
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

export type RequestKind = "medical" | "lost" | "threat" | "other";

/** What a person may say about a request beside "help". All of it is optional, and none of it can make a press fail. */
export interface RequestDetails extends Partial<Position> {
  description?: string;
  kind?: RequestKind;
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

/** A request of a participant. */
export interface HelpRequest {
  eventId: number;
  clientId?: string;
  /** `ended` only in the answer to a press that was sent again after its end. */
  state: "waiting" | "active" | "ended";
  /** 1 is the next; null when the request does not wait, or when it is not known yet. */
  position: number | null;
  /** -1 when unknown. */
  estimatedWaitSeconds: number;
  pressedAt: Timestamp;
  receivedAt: Timestamp;
  /** Once an organizer has had it. */
  chatId?: string;
  kind?: RequestKind;
  description?: string;
}

/** How long presses waited, of an agency or of one event. `null` where there were none to tell from. */
export interface Statistics {
  eventId: number | null;
  from: Timestamp;
  to: Timestamp;
  presses: number;
  takenBack: number;
  waiting: number;
  taken: number;
  waits: {
    medianSeconds: number | null;
    p90Seconds: number | null;
    /** Shares, 0 to 1. */
    within15Seconds: number | null;
    within20Seconds: number | null;
  };
  stepSeconds: number;
  series: { at: Timestamp; presses: number; taken: number; medianWaitSeconds: number | null }[];
  organizers: {
    organizerId: number;
    name?: string;
    chats: number;
    medianWaitSeconds: number | null;
    medianMinutes: number | null;
  }[];
}

/** Public settings of an installation, `/config.json`. */
export interface PublicConfig {
  /** The full address with `/connect`; empty for the page's own host. */
  websocketUrl: string;
  tileUrl: string;
  languages: string[];
}
