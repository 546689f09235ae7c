import { type Clock, systemClock } from "./clock.js";
import { ApiError, type Credentials, type HttpOptions } from "./http.js";
import { Listeners } from "./listeners.js";
import { HelpApi, type SignedIn } from "./participant-api.js";
import type { Storage } from "./storage.js";
import type { Participant } from "./types.js";

export interface AccountSnapshot {
  /** What is stored has been read. */
  readonly loaded: boolean;
  readonly user: Participant | undefined;
  /** The token has ended, and only the person can sign in again. Never true of a guest. */
  readonly mustSignIn: boolean;
}

export interface AccountOptions extends Omit<HttpOptions, "baseUrl" | "credentials"> {
  /** Where the participant service is, without a slash at the end. */
  participantUrl: string;
  storage: Storage;
}

interface Stored extends SignedIn {
  /** Only a guest's: the device signs it in again. */
  password?: string;
  signedInAt: number;
  mustSignIn?: boolean;
}

const KEY = "account";
/** A token lives for 24 hours. A guest's is renewed before it can end on the way. */
const FRESH_MS = 23 * 3_600_000;

/**
 * Who uses this device. A guest is made when the first press needs an account; its credentials stay on the device and
 * sign it in again when its token has ended. The account is the `credentials` of the APIs and of a `Session`.
 */
export class Account implements Credentials {
  /** Calls the participant service for this account. */
  readonly api: HelpApi;
  readonly #storage: Storage;
  readonly #clock: Clock;
  readonly #listeners = new Listeners<[AccountSnapshot]>();
  #stored: Stored | undefined;
  #snapshot: AccountSnapshot = { loaded: false, user: undefined, mustSignIn: false };
  #loading: Promise<unknown> | undefined;
  #ensuring: Promise<Participant> | undefined;
  #renewing: Promise<string | undefined> | undefined;
  #signingIn = false;

  constructor(options: AccountOptions) {
    this.#storage = options.storage;
    this.#clock = options.clock ?? systemClock;
    this.api = new HelpApi({ ...options, baseUrl: options.participantUrl, credentials: this });
  }

  get snapshot(): AccountSnapshot {
    return this.#snapshot;
  }

  subscribe(listener: (snapshot: AccountSnapshot) => void): () => void {
    return this.#listeners.add(listener);
  }

  async load(): Promise<AccountSnapshot> {
    this.#loading ??= this.#storage.get<Stored>(KEY).then((stored) => this.#show(stored));
    await this.#loading;
    return this.#snapshot;
  }

  /** Who has signed in in another tab since counts here, too. */
  async token(): Promise<string | undefined> {
    await this.load();
    const stored = await this.#storage.get<Stored>(KEY);
    if (stored && stored.token !== this.#stored?.token) this.#show(stored);
    return this.#stored?.token;
  }

  renew(refused: string | undefined): Promise<string | undefined> {
    this.#renewing ??= this.#renew(refused).finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  /** Makes a guest unless somebody is signed in. */
  async ensure(details?: { phoneNumber?: string; name?: string }): Promise<Participant> {
    await this.load();
    if (this.#stored) return this.#stored.user;
    this.#ensuring ??= this.#makeGuest(details).finally(() => {
      this.#ensuring = undefined;
    });
    return this.#ensuring;
  }

  /** A guest's open requests and chats stay. */
  signUp(body: { email: string; password: string; phoneNumber?: string }): Promise<Participant> {
    return this.#signIn(() => this.api.signUp(body));
  }

  /** What a guest has open goes over to the account. */
  signIn(body: { email: string; password: string }): Promise<Participant> {
    return this.#signIn(() => this.api.signIn(body));
  }

  /**
   * Ends all sessions of the person, and signs in anew here. Refused calls fail as temporary until
   * the new sign-in has succeeded, so the person is not asked to sign in.
   */
  async changePassword(body: { oldPassword: string; newPassword: string }): Promise<void> {
    const ended = await this.token();
    this.#signingIn = true;
    try {
      const { email } = await this.api.changePassword(body);
      const again = { anonymous: true, idempotent: true, attempts: Number.POSITIVE_INFINITY };
      const signedIn = await this.api.signIn({ email, password: body.newPassword }, again);
      await this.#replace(ended, this.#timed(signedIn));
    } finally {
      this.#signingIn = false;
    }
  }

  /** Signs out, and removes from the device all that the person has kept on it. */
  async signOut(): Promise<void> {
    const { user } = await this.load();
    await this.api.signOut().catch(() => undefined);
    // It was pressed twice, and somebody else is here since.
    if (this.#stored?.user.id !== user?.id) return;
    for (const { key } of await this.#storage.list("")) await this.#storage.delete(key);
    this.#show(undefined);
  }

  async #makeGuest(details?: { phoneNumber?: string; name?: string }): Promise<Participant> {
    // What this guest presses would not go over to the account.
    if (this.#signingIn) throw new ApiError(0, ["signing in"]);
    const guest = this.#timed(await this.api.guest(details));
    // Another tab may have made a guest meanwhile; the device has one.
    const kept = await this.#update((stored) => stored ?? guest);
    return (kept ?? guest).user;
  }

  async #renew(refused: string | undefined): Promise<string | undefined> {
    const stored = await this.#storage.get<Stored>(KEY);
    if (stored && stored.token !== refused) {
      // Another tab has signed in again.
      this.#show(stored);
      return stored.token;
    }
    // The service has signed the guest out, or ended all sessions, and its answer is on its way.
    if (this.#signingIn) throw new ApiError(0, ["signing in"]);
    if (!stored?.password) return this.#replace(refused, stored && { ...stored, mustSignIn: true });
    const { user, password } = stored;
    try {
      const again = await this.api.signIn({ email: user.email, password }, { anonymous: true });
      return this.#replace(refused, { ...this.#timed(again), password });
    } catch (error) {
      if (error instanceof ApiError && error.temporary) throw error;
      // The guest has been deleted. The next press makes another.
      return this.#replace(refused, undefined);
    }
  }

  /**
   * Replaces what was kept with the refused token. The person may have signed in or out meanwhile, in another tab as
   * well: then it stays so.
   */
  async #replace(refused: string | undefined, next: Stored | undefined): Promise<string | undefined> {
    const kept = await this.#update((stored) => (stored?.token === refused ? next : stored));
    return kept?.token;
  }

  /** The service only knows a guest by a token that is valid. */
  async #freshen(): Promise<void> {
    const token = await this.token();
    const stored = this.#stored;
    if (stored?.password && this.#clock.now() - stored.signedInAt > FRESH_MS) await this.renew(token);
  }

  async #signIn(call: () => Promise<SignedIn>): Promise<Participant> {
    await this.#freshen();
    this.#signingIn = true;
    try {
      // A guest who is being made takes along what is open, too.
      await this.#ensuring?.catch(() => undefined);
      const guest = this.#stored?.user;
      const signedIn = this.#timed(await call());
      if (guest?.guest) await this.#takeAlong(guest, signedIn.user);
      await this.#update(() => signedIn);
      return signedIn.user;
    } finally {
      this.#signingIn = false;
    }
  }

  /** What a guest has not sent is the account's, as the guest's chats are. */
  async #takeAlong(guest: Participant, user: Participant): Promise<void> {
    if (guest.id === user.id) return;
    const prefix = (id: number) => `outbox/participant:${id}/`;
    for (const { key, value } of await this.#storage.list(prefix(guest.id))) {
      await this.#storage.set(key.replace(prefix(guest.id), prefix(user.id)), value);
      await this.#storage.delete(key);
    }
  }

  #timed(signedIn: SignedIn & { password?: string }): Stored {
    return { ...signedIn, signedInAt: this.#clock.now() };
  }

  async #update(change: (stored: Stored | undefined) => Stored | undefined): Promise<Stored | undefined> {
    const kept = await this.#storage.update(KEY, change);
    this.#show(kept);
    return kept;
  }

  #show(stored: Stored | undefined): void {
    this.#stored = stored;
    this.#snapshot = { loaded: true, user: stored?.user, mustSignIn: stored?.mustSignIn ?? false };
    this.#listeners.tell(this.#snapshot);
  }
}
