import { backoff } from "./backoff.js";
import { type Clock, systemClock } from "./clock.js";

export interface Credentials {
  /** The token for the next call, if somebody is signed in. */
  token(): string | undefined | Promise<string | undefined>;
  /** Called when the service refuses the token. Signs in again and returns the new token, if it can. */
  renew?(refused: string | undefined): Promise<string | undefined>;
}

export type Fetch = (
  url: string,
  init?: { method?: string; headers?: Record<string, string>; body?: string; signal?: AbortSignal },
) => Promise<Response>;

export interface HttpOptions {
  /** Where the service is, without a slash at the end: `https://mayday.example/participant`. */
  baseUrl: string;
  credentials?: Credentials;
  /** `globalThis.fetch` if absent. */
  fetch?: Fetch;
  /** Of one attempt. 15,000 if absent. */
  timeoutMs?: number;
  /** Attempts of a call that can be repeated without harm. 3 if absent. */
  attempts?: number;
  clock?: Clock;
  random?: () => number;
}

export interface CallOptions {
  signal?: AbortSignal;
  /** Of this call, if it can be repeated without harm; see `HttpOptions`. */
  attempts?: number;
}

export interface Call extends CallOptions {
  body?: unknown;
  query?: object | undefined;
  /** Other than GET: the call may be repeated without harm. */
  idempotent?: boolean;
  /** Sends no token. */
  anonymous?: boolean;
  /** Is shown the `Link` header of the answer. */
  onLink?: (link: string) => void;
}

/** A longer wait than this is the caller's to decide about. */
const LONGEST_WAIT_MS = 10_000;

/** A service has answered with an error, or has not answered (`status` 0). */
export class ApiError extends Error {
  override readonly name = "ApiError";

  /** 0: no answer (no network, or the time was up). */
  readonly status: number;
  readonly messages: readonly string[];
  readonly retryAfterSeconds: number | undefined;

  constructor(status: number, messages: readonly string[], retryAfterSeconds?: number) {
    super(messages.join("; "));
    this.status = status;
    this.messages = messages;
    this.retryAfterSeconds = retryAfterSeconds;
  }

  /** The same call may succeed later. */
  get temporary(): boolean {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

/** Calls one service. */
export class Http {
  readonly #options: HttpOptions;

  constructor(options: HttpOptions) {
    this.#options = options;
  }

  get<T>(path: string, options: Call = {}): Promise<T> {
    return this.call("GET", path, { ...options, idempotent: true });
  }

  async call<T>(method: string, path: string, call: Call = {}): Promise<T> {
    const { clock = systemClock, random = Math.random } = this.#options;
    const attempts = call.attempts ?? this.#options.attempts ?? 3;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#withToken<T>(method, path, call);
      } catch (error) {
        if (!(error instanceof ApiError) || !error.temporary || !call.idempotent || attempt >= attempts) throw error;
        const wait = Math.max(backoff(attempt, random, 500, LONGEST_WAIT_MS), (error.retryAfterSeconds ?? 0) * 1000);
        if (wait > LONGEST_WAIT_MS) throw error;
        await new Promise<void>((resolve) => clock.after(wait, resolve));
      }
    }
  }

  async #withToken<T>(method: string, path: string, call: Call): Promise<T> {
    const { credentials } = this.#options;
    if (call.anonymous || !credentials) return this.#once<T>(method, path, call);
    const token = await credentials.token();
    try {
      return await this.#once<T>(method, path, call, token);
    } catch (error) {
      // A wrong password is 401 as well.
      const refused = error instanceof ApiError && error.status === 401 && !error.message.includes("password");
      const renewed = refused ? await credentials.renew?.(token) : undefined;
      if (!renewed || renewed === token) throw error;
      return this.#once<T>(method, path, call, renewed);
    }
  }

  async #once<T>(method: string, path: string, call: Call, token?: string): Promise<T> {
    const { baseUrl, timeoutMs = 15_000, clock = systemClock } = this.#options;
    const send: Fetch = this.#options.fetch ?? ((url, init) => fetch(url, init));
    const { signal, body } = call;
    if (signal?.aborted) throw signal.reason;
    const controller = new AbortController();
    const abort = () => controller.abort(signal?.reason);
    const cancelTimer = clock.after(timeoutMs, () => controller.abort());
    signal?.addEventListener("abort", abort, { once: true });
    try {
      const response = await send(baseUrl + path + queryString(call.query), {
        method,
        headers: {
          ...(body !== undefined && { "Content-Type": "application/json" }),
          ...(token && { Authorization: `Bearer ${token}` }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: controller.signal,
      });
      const text = await response.text();
      if (!response.ok) throw answeredError(response, text);
      call.onLink?.(response.headers.get("Link") ?? "");
      return (text ? JSON.parse(text) : undefined) as T;
    } catch (error) {
      if (error instanceof ApiError) throw error;
      if (signal?.aborted) throw signal.reason;
      throw new ApiError(0, [controller.signal.aborted ? "no answer in time" : "no connection"]);
    } finally {
      cancelTimer();
      signal?.removeEventListener("abort", abort);
    }
  }
}

function queryString(query: object = {}): string {
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  return pairs.length
    ? `?${pairs.map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`).join("&")}`
    : "";
}

function answeredError(response: Response, text: string): ApiError {
  let messages: unknown;
  try {
    messages = (JSON.parse(text) as { message?: unknown }).message;
  } catch {
    // Not one of the services' own errors: a proxy has answered.
  }
  const { status } = response;
  // 0 and a date count as none.
  const seconds = Number(response.headers.get("Retry-After")) || undefined;
  return new ApiError(status, [messages ?? `HTTP ${status}`].flat().map(String), seconds);
}
