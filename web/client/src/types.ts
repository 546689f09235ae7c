/** Entities as the services and the socket send them. Their types are made from the documents, in `generated/`. */

import type { Amendment, EventOfMine, Press, Event as PublicEventBody } from "./generated/participant.js";
import type { NumberedMessage, OpenChat, Chat as PlainChat, Message as PlainMessage } from "./generated/socket.js";

export type { CanaryRun, Colleague, NumberedChat as ArchivedChat, Statistics } from "./generated/messenger.js";
export type {
  Agency,
  Changelog,
  Comment,
  Contact,
  Event as AgencyEvent,
  Issue,
  NewPlan,
  NewSecondFactor,
  PlanWithImage as Plan,
  Priority as IssuePriority,
  ProvenChangelog,
  RecoveryCodes,
  Role,
  SecondFactor,
  Settings as AgencySettings,
  SettingsEdits,
  Status as IssueStatus,
  User,
  Verdict,
} from "./generated/organizer.js";
export type { Export, HelpRequest, Kind as RequestKind, Participant } from "./generated/participant.js";

/** RFC 3339, UTC. */
export type Timestamp = string;

/** An event as participants see it. `isChatRequested` is only in the answer for a single one. */
export type PublicEvent = PublicEventBody & Partial<Pick<EventOfMine, "isChatRequested">>;

/** A chat of the socket or the archive. What only one of them tells may be missing. */
export type Chat = PlainChat & Partial<OpenChat>;

/** A message of the socket or the archive. Without its number if it was not read in parts. */
export type Message = PlainMessage & Partial<NumberedMessage>;

export interface Position {
  lat: number;
  lng: number;
}

/** What a person may say about a request beside "help". All of it is optional, and none of it can make a press fail. */
export type RequestDetails = Amendment;

/** A press with a key and its time: it may be sent again, and changes nothing then. */
export type NewRequest = Press & Required<Pick<Press, "clientId" | "pressedAt">>;

/** Public settings of an installation, `/config.json`. */
export interface PublicConfig {
  /** The full address with `/connect`; empty for the page's own host. */
  websocketUrl: string;
  tileUrl: string;
  languages: string[];
}
