import type {
  AgencyEdits,
  CommentEdits,
  ContactEdits,
  IssueEdits,
  NewAgency,
  NewComment,
  NewContact,
  NewIssue,
  NewOwner,
  PasswordAndCode,
  PasswordChange,
  PersonEdits,
  SignedIn,
  SignIn,
} from "./generated/organizer.js";
import { type CallOptions, Http, type HttpOptions } from "./http.js";
import { type PageQuery, page } from "./pages.js";
import type {
  Agency,
  AgencyEvent,
  AgencySettings,
  Changelog,
  Comment,
  Contact,
  Issue,
  NewPlan,
  NewSecondFactor,
  Plan,
  ProvenChangelog,
  RecoveryCodes,
  Role,
  SecondFactor,
  SettingsEdits,
  User,
  Verdict,
} from "./types.js";

export type {
  IssueEdits,
  NewAgency,
  NewContact,
  NewIssue,
  PersonEdits,
  SignedIn as OrganizerSignedIn,
} from "./generated/organizer.js";

export type NewPerson = Omit<NewOwner, "confirmPassword">;
/** A role is a number here, as in a `User`. */
export type NewUser = NewPerson & { role: Role };
/** Times may lack the zone: `2026-05-01T10:00` is UTC. Coordinates are numbers, since the answer has what was sent. */
export type NewEvent = Omit<AgencyEvent, "id" | "agencyId" | "hasPlan">;

const withConfirmation = <T extends { password: string }>(person: T) => ({
  ...person,
  confirmPassword: person.password,
});

/** Rows of one kind, under one path. */
class Rows<Row, New, Edits, Filter extends object = object> {
  readonly #http: Http;
  readonly #path: string;

  constructor(http: Http, path: string) {
    this.#http = http;
    this.#path = path;
  }

  list(query?: Filter & PageQuery, options?: CallOptions) {
    return page<Row>(this.#http, this.#path, { ...options, query });
  }

  get(id: number, options?: CallOptions) {
    return this.#http.get<Row>(`${this.#path}/${id}`, options);
  }

  create(body: New, options?: CallOptions) {
    return this.#http.call<Row>("POST", this.#path, { ...options, body });
  }

  edit(id: number, body: Edits, options?: CallOptions) {
    return this.#http.call<Row>("PATCH", `${this.#path}/${id}`, { ...options, body, idempotent: true });
  }

  delete(id: number, options?: CallOptions) {
    return this.#http.call<Row>("DELETE", `${this.#path}/${id}`, options);
  }
}

/** Rows with a password when they are new, and perhaps with a second factor. */
class People<Edits> extends Rows<User, NewUser, Edits> {
  readonly #http: Http;
  readonly #path: string;

  constructor(http: Http, path: string) {
    super(http, path);
    this.#http = http;
    this.#path = path;
  }

  override create(body: NewUser, options?: CallOptions) {
    return super.create(withConfirmation(body), options);
  }

  secondFactor(id: number, options?: CallOptions) {
    return this.#http.get<SecondFactor>(`${this.#path}/${id}/second-factor`, options);
  }

  /** For a user who has lost the phone. All sessions of the user end. */
  removeSecondFactor(id: number, options?: CallOptions) {
    return this.#http.call<User>("DELETE", `${this.#path}/${id}/second-factor`, options);
  }
}

/** A record of changes: it can be read, and proved. */
class ChangeRecord<Filter extends object> {
  readonly #http: Http;
  readonly #path: string;
  readonly list: Rows<Changelog, never, never, Filter>["list"];
  readonly get: Rows<Changelog, never, never>["get"];

  constructor(http: Http, path: string) {
    const rows = new Rows<Changelog, never, never, Filter>(http, path);
    this.#http = http;
    this.#path = path;
    this.list = rows.list.bind(rows);
    this.get = rows.get.bind(rows);
  }

  verify(options?: CallOptions) {
    return this.#http.get<Verdict>(`${this.#path}/verify`, options);
  }

  chain(query?: PageQuery, options?: CallOptions) {
    return new Rows<ProvenChangelog, never, never>(this.#http, `${this.#path}/chain`).list(query, options);
  }
}

/** The organizer service. An admin without preview sees nobody's agency. */
export class OrganizerApi {
  readonly #http: Http;
  readonly users: People<PersonEdits & { role?: Role }>;
  readonly events: Rows<AgencyEvent, NewEvent, Partial<NewEvent>>;
  readonly contacts: Rows<Contact, NewContact, ContactEdits, { eventId?: number }>;
  readonly issues: Rows<Issue, NewIssue, IssueEdits, { eventId?: number }>;
  readonly comments: Rows<Comment, NewComment, CommentEdits, { issueId?: number }>;
  readonly changelogs: ChangeRecord<{ userId?: number }>;
  /** For admins. */
  readonly admin: {
    readonly agencies: Pick<Rows<Agency, never, never>, "list" | "get">;
    readonly users: People<PersonEdits>;
    readonly changelogs: ChangeRecord<object>;
    verifyAgency(id: number, approved: boolean, options?: CallOptions): Promise<Agency>;
    /** Shows the admin an agency as its own people see it; `null` ends that. */
    preview(agencyId: number | null, options?: CallOptions): Promise<User>;
  };

  constructor(options: HttpOptions) {
    const http = new Http(options);
    this.#http = http;
    this.users = new People(http, "/agency/users");
    this.events = new Rows(http, "/agency/events");
    this.contacts = new Rows(http, "/agency/contacts");
    this.issues = new Rows(http, "/agency/issues");
    this.comments = new Rows(http, "/agency/comments");
    this.changelogs = new ChangeRecord(http, "/agency/changelogs");
    this.admin = {
      agencies: new Rows<Agency, never, never>(http, "/admin/agencies"),
      users: new People(http, "/admin/users"),
      changelogs: new ChangeRecord(http, "/admin/changelogs"),
      verifyAgency: (id, approved, options) =>
        http.call("PATCH", `/admin/agencies/${id}/verify`, { ...options, body: { approved }, idempotent: true }),
      preview: (agencyId, options) => http.call("PATCH", "/profile/set-agency", { ...options, body: { agencyId } }),
    };
  }

  /** Without the `code` of a user who has a second factor, the service answers 400 `second factor required`. */
  signIn(body: Omit<SignIn, "code"> & { code?: SignIn["code"] | undefined }, options?: CallOptions) {
    return this.#http.call<SignedIn>("POST", "/auth/sign-in", { ...options, body, anonymous: true });
  }

  signOut(options?: CallOptions) {
    return this.#http.call<void>("POST", "/auth/sign-out", { ...options, body: {} });
  }

  profile(options?: CallOptions) {
    return this.#http.get<User>("/profile", options);
  }

  editProfile(body: PersonEdits, options?: CallOptions) {
    return this.#http.call<User>("PATCH", "/profile", { ...options, body, idempotent: true });
  }

  changePassword(body: Omit<PasswordChange, "confirmNewPassword">, options?: CallOptions) {
    return this.#http.call<User>("PATCH", "/profile/change-password", {
      ...options,
      body: { ...body, confirmNewPassword: body.newPassword },
    });
  }

  secondFactor(options?: CallOptions) {
    return this.#http.get<SecondFactor>("/profile/second-factor", options);
  }

  /** A secret for an authenticator app. `confirmSecondFactor` with a code of the app switches the second factor on. */
  setUpSecondFactor(password: string, options?: CallOptions) {
    return this.#http.call<NewSecondFactor>("POST", "/profile/second-factor", { ...options, body: { password } });
  }

  /** The recovery codes are answered only here. */
  confirmSecondFactor(code: string, options?: CallOptions) {
    return this.#http.call<RecoveryCodes>("POST", "/profile/second-factor/confirm", { ...options, body: { code } });
  }

  removeSecondFactor(body: PasswordAndCode, options?: CallOptions) {
    return this.#http.call<SecondFactor>("DELETE", "/profile/second-factor", { ...options, body });
  }

  /** Registers an agency and its owner. An admin has to approve it before anybody can sign in. */
  registerAgency(agency: NewAgency, owner: NewPerson, options?: CallOptions) {
    const body = { agency, owner: withConfirmation(owner) };
    return this.#http.call<Agency>("POST", "/agency", { ...options, body, anonymous: true });
  }

  /** `undefined` for an admin without preview. */
  agency(options?: CallOptions) {
    return this.#http.get<Agency | undefined>("/agency", options);
  }

  /** A `website` of null removes it. */
  editAgency(body: AgencyEdits, options?: CallOptions) {
    return this.#http.call<Agency>("PATCH", "/agency", { ...options, body, idempotent: true });
  }

  deleteAgency(options?: CallOptions) {
    return this.#http.call<Agency>("DELETE", "/agency", options);
  }

  /** The plan of an event's venue. Without one the service answers 404. */
  plan(eventId: number, options?: CallOptions) {
    return this.#http.get<Plan>(`/agency/events/${eventId}/plan`, options);
  }

  setPlan(eventId: number, body: NewPlan, options?: CallOptions) {
    return this.#http.call<void>("PUT", `/agency/events/${eventId}/plan`, { ...options, body, idempotent: true });
  }

  deletePlan(eventId: number, options?: CallOptions) {
    return this.#http.call<void>("DELETE", `/agency/events/${eventId}/plan`, options);
  }

  settings(options?: CallOptions) {
    return this.#http.get<AgencySettings>("/agency/settings", options);
  }

  editSettings(body: SettingsEdits, options?: CallOptions) {
    return this.#http.call<AgencySettings>("PATCH", "/agency/settings", { ...options, body, idempotent: true });
  }
}
