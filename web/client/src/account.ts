import type { Credentials } from "./http.js";
import type { ParticipantApi } from "./participant-api.js";
import type { Storage } from "./storage.js";
import type { Participant } from "./types.js";

export interface AccountSnapshot {
  readonly loaded: boolean;
  readonly user: Participant | undefined;
  /** The token has ended and the device cannot sign in by itself (only a full account gets here). */
  readonly mustSignIn: boolean;
}

/**
 * Who uses this device. A guest is made when the first call needs an account; its credentials stay on the device and
 * sign it in again when its token has ended. Pass it as `credentials` to the API, to `PressQueue` and to `Session`.
 */
export declare class Account implements Credentials {
  constructor(options: { participantUrl: string; storage: Storage; fetch?: typeof fetch });
  readonly api: ParticipantApi;
  readonly snapshot: AccountSnapshot;
  subscribe(listener: (snapshot: AccountSnapshot) => void): () => void;
  load(): Promise<AccountSnapshot>;
  token(): Promise<string | undefined>;
  renew(refused: string | undefined): Promise<string | undefined>;
  /** Makes a guest unless somebody is signed in. */
  ensure(details?: { phoneNumber?: string; name?: string }): Promise<Participant>;
  /** A guest's open requests and chats stay. */
  signUp(body: { email: string; password: string; phoneNumber?: string }): Promise<Participant>;
  /** What a guest has open goes over to the account. */
  signIn(body: { email: string; password: string }): Promise<Participant>;
  signOut(): Promise<void>;
}
