import type { Clock } from "../src/clock.js";
import type { WebSocketLike } from "../src/session-types.js";
import type { Chat, HelpRequest, Message } from "../src/types.js";

/** Lets everything happen that does not wait for a timer. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Time that passes only when a test says so. */
export class FakeClock implements Clock {
  #now = Date.parse("2026-07-03T18:00:00.000Z");
  readonly #timers = new Set<{ at: number; callback: () => void }>();

  now(): number {
    return this.#now;
  }

  after(milliseconds: number, callback: () => void): () => void {
    const timer = { at: this.#now + milliseconds, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  get pending(): number {
    return this.#timers.size;
  }

  async advance(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds;
    await settle();
    for (;;) {
      const [next] = [...this.#timers].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at);
      if (!next) break;
      this.#timers.delete(next);
      this.#now = next.at;
      next.callback();
      await settle();
    }
    this.#now = end;
  }
}

export interface SentFrame {
  type?: string;
  payload: Record<string, unknown>;
  Authorization?: string;
  protocol?: number;
}

/** The server's end of one socket. */
export class FakeSocket implements WebSocketLike {
  readonly url: string;
  readyState = 0;
  readonly sent: SentFrame[] = [];
  closedByClient = false;
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;

  constructor(url: string) {
    this.url = url;
  }

  send(data: string): void {
    if (this.readyState !== 1) throw new Error("the socket is not open");
    this.sent.push(JSON.parse(data));
  }

  close(): void {
    this.closedByClient = true;
    this.readyState = 3;
  }

  open(): void {
    this.readyState = 1;
    this.onopen?.({} as never);
  }

  async receive(type: string, payload: unknown = {}): Promise<void> {
    this.onmessage?.({ data: `${JSON.stringify({ type, payload })}\n` } as never);
    await settle();
  }

  async drop(code = 1006): Promise<void> {
    this.readyState = 3;
    this.onclose?.({ code } as never);
    await settle();
  }

  frames(type: string): SentFrame[] {
    return this.sent.filter((frame) => frame.type === type);
  }

  last(type: string): SentFrame {
    const frame = this.frames(type).at(-1);
    if (!frame) throw new Error(`no ${type} was sent, but ${JSON.stringify(this.sent)}`);
    return frame;
  }
}

/** All sockets that a session has opened, oldest first. */
export class FakeNetwork {
  readonly sockets: FakeSocket[] = [];
  readonly WebSocket: new (
    url: string,
  ) => FakeSocket;

  constructor() {
    const { sockets } = this;
    this.WebSocket = class extends FakeSocket {
      constructor(url: string) {
        super(url);
        sockets.push(this);
      }
    };
  }

  get last(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error("no socket was opened");
    return socket;
  }

  /** Accepts the newest connection. */
  async accept(principal: object = { realm: "participant", id: 31 }): Promise<FakeSocket> {
    await settle();
    this.last.open();
    await this.last.receive("ready", { connectionId: "c1", protocol: 2, principal });
    return this.last;
  }
}

export function chat(id: string, more: Partial<Chat> = {}): Chat {
  return {
    ...{ id, agencyId: 4, eventId: 9, organizerId: 12, participantId: 31, ended: 0, state: "active" },
    ...{ timeStart: "2026-07-03T18:00:00.000Z", timeEnd: "0001-01-01T00:00:00Z" },
    ...{ lastSeq: 0, readSeq: 0, ownReadSeq: 0 },
    ...more,
  };
}

export function message(chatId: string, seq: number, more: Partial<Message> = {}): Message & { seq: number } {
  return {
    ...{ id: `m${seq}`, chatId, seq, authorId: 12, fromOrganizer: 1, content: `message ${seq}` },
    timeSent: `2026-07-03T18:01:${String(seq).padStart(2, "0")}.000Z`,
    ...more,
  };
}

export interface FakeCall {
  method: string;
  path: string;
  body: Record<string, unknown>;
  token: string | undefined;
}
export type FakeAnswer =
  | { status?: number; body?: unknown; headers?: Record<string, string> }
  | "no network"
  | "no answer";

/** A service over HTTP, scripted by one function. */
export class FakeService {
  readonly calls: FakeCall[] = [];
  answer: (call: FakeCall) => FakeAnswer | Promise<FakeAnswer>;

  constructor(answer: (call: FakeCall) => FakeAnswer | Promise<FakeAnswer>) {
    this.answer = answer;
  }

  readonly fetch = async (
    url: string,
    init: { method?: string; headers?: Record<string, string>; body?: string; signal?: AbortSignal } = {},
  ): Promise<Response> => {
    const call = {
      method: init.method ?? "GET",
      path: new URL(url).pathname + new URL(url).search,
      body: init.body ? JSON.parse(init.body) : {},
      token: init.headers?.Authorization?.slice("Bearer ".length),
    };
    this.calls.push(call);
    const answer = await this.answer(call);
    if (answer === "no network") throw new TypeError("fetch failed");
    if (answer === "no answer") {
      return new Promise((_, reject) => {
        init.signal?.addEventListener("abort", () => reject(new Error("aborted")));
      });
    }
    const { status = 200, body, headers = {} } = answer;
    const text = body === undefined ? "" : typeof body === "string" ? body : JSON.stringify(body);
    return new Response(text, { status, headers });
  };

  of(method: string, path: string): FakeCall[] {
    return this.calls.filter((call) => call.method === method && call.path === path);
  }
}

export function helpRequest(more: Partial<HelpRequest> = {}): HelpRequest {
  return {
    ...{ eventId: 9, state: "waiting", position: 1, estimatedWaitSeconds: -1 },
    ...{ pressedAt: "2026-07-03T18:00:00.000Z", receivedAt: "2026-07-03T18:00:01.000Z" },
    ...more,
  };
}
