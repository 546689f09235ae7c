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

  async token(): Promise<string | undefined> {
    await this.load();
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
  async signUp(body: { email: string; password: string; phoneNumber?: string }): Promise<Participant> {
    await this.#freshen();
    return this.#keep(await this.api.signUp(body));
  }

  /** What a guest has open goes over to the account. */
  async signIn(body: { email: string; password: string }): Promise<Participant> {
    await this.#freshen();
    return this.#keep(await this.api.signIn(body));
  }

  /** Signs out, and removes from the device all that the person has kept on it. */
  async signOut(): Promise<void> {
    await this.api.signOut().catch(() => undefined);
    for (const { key } of await this.#storage.list("")) await this.#storage.delete(key);
    this.#show(undefined);
  }

  async #makeGuest(details?: { phoneNumber?: string; name?: string }): Promise<Participant> {
    const guest = this.#timed(await this.api.guest(details));
    // Another tab may have made a guest meanwhile; the device has one.
    const kept = await this.#storage.update<Stored>(KEY, (stored) => stored ?? guest);
    this.#show(kept);
    return (kept ?? guest).user;
  }

  async #renew(refused: string | undefined): Promise<string | undefined> {
    const stored = await this.#storage.get<Stored>(KEY);
    if (stored && stored.token !== refused) {
      // Another tab has signed in again.
      this.#show(stored);
      return stored.token;
    }
    if (!stored?.password) {
      if (stored) await this.#store({ ...stored, mustSignIn: true });
      return undefined;
    }
    const { user, password } = stored;
    try {
      const again = await this.api.signIn({ email: user.email, password }, { anonymous: true });
      await this.#store({ ...this.#timed(again), password });
      return this.#stored?.token;
    } catch (error) {
      if (error instanceof ApiError && error.temporary) throw error;
      // The guest has been deleted. The next press makes another.
      await this.#storage.delete(KEY);
      this.#show(undefined);
      return undefined;
    }
  }

  /** The service only knows a guest by a token that is valid. */
  async #freshen(): Promise<void> {
    const token = await this.token();
    const stored = this.#stored;
    if (stored?.password && this.#clock.now() - stored.signedInAt > FRESH_MS) await this.renew(token);
  }

  async #keep(signedIn: SignedIn): Promise<Participant> {
    await this.#store(this.#timed(signedIn));
    return signedIn.user;
  }

  #timed(signedIn: SignedIn & { password?: string }): Stored {
    return { ...signedIn, signedInAt: this.#clock.now() };
  }

  async #store(stored: Stored): Promise<void> {
    await this.#storage.set(KEY, stored);
    this.#show(stored);
  }

  #show(stored: Stored | undefined): void {
    this.#stored = stored;
    this.#snapshot = { loaded: true, user: stored?.user, mustSignIn: stored?.mustSignIn ?? false };
    this.#listeners.tell(this.#snapshot);
  }
}
