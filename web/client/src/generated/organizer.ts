// Made from components/organizer/openapi.json by scripts/types.mjs: `npm run types -w client`.

/** Handed out in sequence, for each kind of entity. */
export type Id = number;

/** UTC, always with three fractional digits. */
export type Time = string;

/** 0 superadmin, 1 admin, 2 agency owner, 3 agency manager, 4 agency support. A smaller number is more senior. */
export type Role = 0 | 1 | 2 | 3 | 4;

/** In international form, with a `+`: a valid number of its country. Stored as typed. */
export type PhoneNumber = string;

/**
 * 16 to 128 characters. A new one must not be among the most common ones. Where accounts have to be complete it must be
 * none of more than 200,000 common and breached ones, and must not consist of names, the e-mail and `mayday` either.
 */
export type Password = string;

/** An id. Of a text the integer at its beginning counts, so that forms can send `"9 - Rock night"`. */
export type IdInput = number | string;

/** A role, as a number or as a text that begins with one. */
export type RoleInput = Role | string;

/** Degrees, as a number or a text. */
export type LatitudeInput = number | string;

/** Degrees, as a number or a text. */
export type LongitudeInput = number | string;

/** An ISO 8601 date or date-time. Without a zone it is UTC; a bare date is midnight. */
export type TimeInput = string;

export interface Error {
  statusCode: number;
  /** What is wrong, for people. */
  message: string;
  /** The reason phrase of the status. */
  error: string;
  /** Of a 5xx: the id that the lines of the log have. It is that of the request's `traceparent`, if it has one. */
  traceId?: string;
}

/** An error without a reason phrase. */
export interface BareError {
  statusCode: number;
  message: string;
  /** Of a 5xx: the id that the lines of the log have. It is that of the request's `traceparent`, if it has one. */
  traceId?: string;
}

export interface BadRequest {
  statusCode: number;
  /** One text, or, where fields break rules, a line for each broken rule of each field. */
  message: string | string[];
  error: string;
}

export interface SignIn {
  email: string;
  password: Password;
  /** Of those who have a second factor. Of others it is ignored. */
  code?: Code;
}

export interface SignedIn {
  user: User;
  token: Token;
}

/** Ends after 24 hours, and with a sign-out or a change of password. Clients need not look inside. */
export type Token = string;

export interface User {
  id: Id;
  /** Unique; never changes. */
  email: string;
  firstName: string;
  lastName: string;
  phoneNumber: string;
  timeCreated: Time;
  /** Tokens issued before it are void. At first the time of creation. */
  timeSignOut: Time;
  role: Role;
  /** The user's agency; of an administrator the agency in preview. */
  agencyId: number | null;
  /**
   * Only at a sign-in and in the own profile, where accounts have to be complete: somebody else has chosen the
   * password. Until it is changed the token opens the own profile alone.
   */
  mustChangePassword?: true;
  /** The same, until there is a second factor (roles 0 to 3, or all if the operator wants that). */
  mustHaveSecondFactor?: true;
}

export interface PersonEdits {
  firstName?: string;
  lastName?: string;
  phoneNumber?: PhoneNumber;
}

export interface UserEdits {
  firstName?: string;
  lastName?: string;
  phoneNumber?: PhoneNumber;
  role?: RoleInput;
}

export interface PasswordChange {
  oldPassword: Password;
  /** Not the old one. */
  newPassword: Password;
  /** The new one again. */
  confirmNewPassword: Password;
}

export interface NewPassword {
  password: Password;
  /** The same. */
  confirmPassword: Password;
}

/** Six digits of an authenticator app, or a recovery code. Case, spaces and hyphens do not matter. It counts once. */
export type Code = string;

export interface PasswordOnly {
  password: Password;
}

export interface CodeOnly {
  code: Code;
}

export interface PasswordAndCode {
  password: Password;
  code: Code;
}

export interface SecondFactor {
  userId: Id;
  isOn: boolean;
  /** How many are left. */
  recoveryCodes: number;
}

export interface NewSecondFactor {
  /** In base32. */
  secret: string;
  /** The same with the account, for a QR code. */
  uri: string;
}

export interface RecoveryCodes {
  recoveryCodes: string[];
}

export interface NewOwner {
  /** An e-mail address in any script. Unique; never changes. */
  email: string;
  password: Password;
  /** The same password again. */
  confirmPassword: string;
  firstName: string;
  lastName: string;
  phoneNumber: PhoneNumber;
}

export interface NewUser {
  /** An e-mail address in any script. Unique; never changes. */
  email: string;
  password: Password;
  /** The same password again. */
  confirmPassword: string;
  firstName: string;
  lastName: string;
  phoneNumber: PhoneNumber;
  /** Junior to the caller's. */
  role: RoleInput;
}

export interface RoleOption {
  key: Role;
  value: "Admin" | "Agency owner" | "Agency manager" | "Agency support";
}

export interface Agency {
  id: Id;
  /** Unique. */
  name: string;
  address: string;
  website: string | null;
  /** Whether administrators have approved it. Until then nobody of the agency can sign in. */
  approved: boolean;
}

export interface NewAgency {
  /** Unique. */
  name: string;
  address: string;
  /** A public web address, with or without `https://`. */
  website: string;
}

export interface Registration {
  agency: NewAgency;
  owner: NewOwner;
}

export interface AgencyEdits {
  name?: string;
  address?: string;
  website?: string | null;
}

export interface Settings {
  /** How many chats each of its organizers may have open at once; null for any number. */
  maxOpenChats: number | null;
  /** The number that the agency publishes for people who need help at its events. */
  helpPhoneNumber?: string;
}

export interface SettingsEdits {
  /** Null removes the limit. */
  maxOpenChats?: number | string | null;
  /** Null removes it. */
  helpPhoneNumber?: PhoneNumber | null;
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
  /** Only of an event with a plan of its venue. */
  hasPlan?: true;
}

/** An event of an approved agency, as other services see it. */
export interface ApprovedEvent {
  id: Id;
  name: string;
  description: string;
  address: string;
  lat: number;
  lng: number;
  timeStart: Time;
  timeEnd: Time;
  agencyId: Id;
  /** Only of an event with a plan of its venue. */
  hasPlan?: true;
  /** The number that the agency publishes for people who need help. Never a person's private number. */
  helpPhoneNumber?: string;
}

/** An event, with the coordinates just as this request sent them. Later reads give numbers. */
export interface WrittenEvent {
  id: Id;
  name: string;
  description: string;
  address: string;
  lat: LatitudeInput;
  lng: LongitudeInput;
  timeStart: Time;
  timeEnd: Time;
  agencyId: Id;
  /** Only of an event with a plan of its venue. */
  hasPlan?: true;
}

export interface NewEvent {
  /** Unique over all agencies. */
  name: string;
  description: string;
  address: string;
  lat: LatitudeInput;
  lng: LongitudeInput;
  timeStart: TimeInput;
  timeEnd: TimeInput;
}

export interface EventEdits {
  /** Unique over all agencies. */
  name?: string;
  description?: string;
  address?: string;
  lat?: LatitudeInput;
  lng?: LongitudeInput;
  timeStart?: TimeInput;
  timeEnd?: TimeInput;
}

export interface Contact {
  id: Id;
  firstName: string;
  lastName: string;
  email: string;
  phoneNumber: string;
  additionalNotes: string;
  eventId: Id;
  agencyId: Id;
}

export interface NewContact {
  firstName: string;
  lastName: string;
  email: string;
  phoneNumber: PhoneNumber;
  /** May be empty. */
  additionalNotes: string;
  eventId: IdInput;
}

export interface ContactEdits {
  firstName?: string;
  lastName?: string;
  email?: string;
  phoneNumber?: PhoneNumber;
  /** May be empty. */
  additionalNotes?: string;
}

export type Status = "to_do" | "in_progress" | "resolved" | "cancelled";

export type Priority = "low" | "medium" | "high";

export interface Issue {
  id: Id;
  name: string;
  description: string;
  status: Status;
  priority: Priority;
  timeCreated: Time;
  /** When the issue was last resolved or cancelled. Opening it again keeps the time. */
  timeClosed: Time | null;
  authorId: Id;
  eventId: Id;
  agencyId: Id;
}

export interface NewIssue {
  name: string;
  description: string;
  priority: Priority;
  eventId: IdInput;
}

export interface IssueEdits {
  name?: string;
  description?: string;
  status?: Status;
  priority?: Priority;
}

export interface Comment {
  id: Id;
  content: string;
  timeCreated: Time;
  authorId: Id;
  issueId: Id;
  agencyId: Id;
}

export interface NewComment {
  content: string;
  issueId: IdInput;
}

export interface CommentEdits {
  content?: string;
}

export interface Changelog {
  id: Id;
  /** With the class `Agency`, 0 is Mayday itself: the row is about what belongs to no agency (docs/record.md). */
  entityId: number;
  entityClass: "User" | "Agency" | "Event" | "Contact" | "Issue" | "Comment";
  type: "insert" | "update" | "delete";
  changedAt: Time;
  /** The entity after the change, as JSON text in a string; null after a deletion. */
  valueAfter: string | null;
  /** Who did it; 0 for the service itself. */
  userId: number;
  /** The agency that the actor acted for. */
  agencyId: number | null;
}

/** A row of the record with what proves it. docs/record.md has the formula. */
export interface ProvenChangelog {
  id: Id;
  /** With the class `Agency`, 0 is Mayday itself: the row is about what belongs to no agency (docs/record.md). */
  entityId: number;
  entityClass: "User" | "Agency" | "Event" | "Contact" | "Issue" | "Comment";
  type: "insert" | "update" | "delete";
  changedAt: Time;
  /** The entity after the change, as JSON text in a string; null after a deletion. */
  valueAfter: string | null;
  /** Who did it; 0 for the service itself. */
  userId: number;
  /** The agency that the actor acted for. */
  agencyId: number | null;
  /** Of a row about a person: the value without personal data. */
  blankValue: string | null;
  /** Of the seal. Deleted with the person, or when the row is old enough. */
  salt: string | null;
  /** The salted hash of the whole value. */
  seal: Hash | null;
  hash: Hash;
}

/** SHA-256 in lower-case hex. */
export type Hash = string;

export interface Verdict {
  holds: boolean;
  /** How many rows hold: all of them, if the chain holds. */
  rows: number;
  /** The hash of the last of them; empty if there are none. */
  head: Hash | "";
  /** Only of a chain that does not hold. */
  brokenAt?: {
    /** The first row that does not hold; null when rows are missing at the end. */
    id: number | null;
    reason: string;
  };
}

export interface NewPlan {
  /** A PNG, a JPEG or a WebP of at most 512 KiB, as a data URL. */
  image: string;
  /** Greater than `south`. */
  north: LatitudeInput;
  south: LatitudeInput;
  /** Greater than `west`. */
  east: LongitudeInput;
  west: LongitudeInput;
}

/** A plan of a venue without its image. */
export interface Plan {
  eventId: Id;
  /** Of the image's bytes. */
  sha256: Hash;
  /** Degrees. Greater than `south`. */
  north: number;
  south: number;
  /** Degrees. Greater than `west`. */
  east: number;
  west: number;
}

export interface PlanWithImage {
  eventId: Id;
  /** Of the image's bytes. */
  sha256: Hash;
  /** Degrees. Greater than `south`. */
  north: number;
  south: number;
  /** Degrees. Greater than `west`. */
  east: number;
  west: number;
  /** A PNG, a JPEG or a WebP of at most 512 KiB, as a data URL. */
  image: string;
}
