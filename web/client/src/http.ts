import type { Clock } from "./clock.js";

export interface Credentials {
  /** The token for the next call, if somebody is signed in. */
  token(): string | undefined | Promise<string | undefined>;
  /** Called once when the service refuses the token. Signs in again and returns the new token, if it can. */
  renew?(refused: string | undefined): Promise<string | undefined>;
}

export interface HttpOptions {
  /** Where the service is, without a slash at the end: `https://mayday.example/participant`. */
  baseUrl: string;
  credentials?: Credentials;
  fetch?: (url: string, init?: Parameters<typeof fetch>[1]) => Promise<Response>;
  /** Of one attempt. 15,000 if absent. */
  timeoutMs?: number;
  /** Attempts of a call that can be repeated without harm. 3 if absent. */
  attempts?: number;
  clock?: Clock;
}

/** A service has answered with an error, or has not answered (`status` 0). */
export declare class ApiError extends Error {
  /** 0: no answer (no network, or the time was up). */
  readonly status: number;
  readonly messages: readonly string[];
  readonly retryAfterSeconds: number | undefined;
  /** The same call may succeed later. */
  readonly temporary: boolean;
}
