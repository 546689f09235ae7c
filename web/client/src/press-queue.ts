import type { Account } from "./account.js";
import { backoff } from "./backoff.js";
import { type Clock, systemClock } from "./clock.js";
import { ApiError } from "./http.js";
import { Listeners } from "./listeners.js";
import type { FollowedSession, Press, PressSnapshot, PressStep } from "./press-types.js";
import type { Storage } from "./storage.js";
import type { HelpRequest, RequestDetails } from "./types.js";
import { uuid } from "./uuid.js";

export interface PressQueueOptions {
  account: Account;
  storage: Storage;
  clock?: Clock;
  random?: () => number;
}

type Failure = NonNullable<Press["failure"]>;

const PREFIX = "press/";
const LONGEST_BACKOFF_MS = 15_000;
/** Longer than this a service cannot make a press wait. */
const LONGEST_WAIT_MS = 60_000;
/** How often the service is asked about presses that no session tells of, and while a place is not known yet. */
const POLL_MS = 10_000;
const FIRST_POLL_MS = 2000;
const CLOCK_SKEW_MS = 5000;

/** Presses of this device: each is stored before it is sent, and sent until it is answered. */
export class PressQueue {
  readonly #account: Account;
  readonly #storage: Storage;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #listeners = new Listeners<[PressSnapshot]>();
  readonly #presses = new Map<number, Press>();
  /** Events whose press is being worked on. */
  readonly #working = new Set<number>();
  /** Events of presses that are to be looked at once more when the work under way is done: a retry was asked for. */
  readonly #again = new Set<number>();
  /** How often the next step of a press has failed, and what stops the timer of its next attempt. */
  readonly #failures = new Map<number, number>();
  readonly #retries = new Map<number, () => void>();
  /** `clientId` of presses that have ended since the service was last asked: its answer may be older. */
  readonly #justEnded = new Set<string | undefined>();
  #snapshot: PressSnapshot;
  #session: FollowedSession | undefined;
  #running = false;
  #loading: Promise<void> | undefined;
  #refreshing: Promise<void> = Promise.resolve();
  #cancelPoll: (() => void) | undefined;
  #unsubscribe: (() => void) | undefined;

  constructor(options: PressQueueOptions) {
    this.#account = options.account;
    this.#storage = options.storage;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
    this.#snapshot = { loaded: false, presses: [], persistent: options.storage.persistent };
  }

  get snapshot(): PressSnapshot {
    return this.#snapshot;
  }

  subscribe(listener: (snapshot: PressSnapshot) => void): () => void {
    return this.#listeners.add(listener);
  }

  /** Reads what is stored, sends what is unsent, and asks what other devices of the person have pressed. */
  async start(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    await this.#load();
    let { user: before } = await this.#account.load();
    this.#unsubscribe = this.#account.subscribe(({ user, mustSignIn }) => {
      if (before && !user) void this.#loseAccount();
      before = user;
      if (user && !mustSignIn) this.wake();
    });
    this.wake();
  }

  stop(): void {
    this.#running = false;
    this.#unsubscribe?.();
    this.#cancelPoll?.();
    for (const cancel of this.#retries.values()) cancel();
    this.#retries.clear();
  }

  /** Resolves when the press is stored. While a press for the event is open, it is that one. */
  async press(eventId: number, details: RequestDetails = {}): Promise<Press> {
    const pressedAt = new Date(this.#clock.now()).toISOString();
    await this.#load();
    const open = this.#open(eventId);
    if (open) return open;
    // That of an earlier press.
    this.#session?.forgetPosition(eventId);
    this.#failures.delete(eventId);
    const mine: Press = { ...details, eventId, clientId: uuid(), pressedAt, step: "kept" };
    // Another tab may have pressed meanwhile.
    const stored = await this.#storage.update<Press>(PREFIX + eventId, (other) => (isOpen(other) ? other : mine));
    const press = this.#open(eventId) ?? stored ?? mine;
    this.#presses.set(eventId, press);
    this.#tell();
    void this.#work(eventId);
    return press;
  }

  /** Adds what was not said at the press. */
  async addDetails(eventId: number, details: RequestDetails): Promise<void> {
    await this.#load();
    const press = this.#open(eventId);
    if (!press) return;
    // What has been sent once is not changed by sending it again.
    await this.#change(press, { ...details, detailsPending: wasSent(press) });
    void this.#work(eventId);
  }

  /** The details that were pending when the press was taken have been said in the chat. */
  async detailsSaid(eventId: number): Promise<void> {
    const press = this.#presses.get(eventId);
    if (press) await this.#change(press, { detailsPending: false });
  }

  /** Takes a press back. Once it is taken this changes nothing: the chat goes on. */
  async cancel(eventId: number): Promise<void> {
    await this.#load();
    const press = this.#open(eventId);
    if (!press || isTaken(press)) return;
    if (wasSent(press)) await this.#change(press, { failure: undefined, cancelling: true });
    else await this.#end(press, true);
    this.#retryNow(eventId);
  }

  /** Forgets a press that has ended or failed. */
  async forget(eventId: number): Promise<void> {
    if (this.#open(eventId) || !this.#presses.delete(eventId)) return;
    await this.#storage.delete(PREFIX + eventId);
    this.#tell();
  }

  /** The network is back, or the page is visible again: tries at once. */
  wake(): void {
    for (const eventId of this.#presses.keys()) this.#retryNow(eventId);
    void this.refresh();
  }

  /** Asks the service how things stand. */
  refresh(): Promise<void> {
    this.#refreshing = this.#refreshing.then(() => this.#refresh());
    return this.#refreshing;
  }

  /** Takes positions, chats and read marks from a session. */
  follow(session: FollowedSession): () => void {
    this.#session = session;
    const look = () => this.#look(session);
    const unsubscribe = session.subscribe(look);
    look();
    return () => {
      unsubscribe();
      this.#session = undefined;
    };
  }

  /** Does what is left to do for a press, one call after the other, until it is done or fails. */
  async #work(eventId: number): Promise<void> {
    if (!this.#running) return;
    if (this.#working.has(eventId)) {
      this.#again.add(eventId);
      return;
    }
    this.#working.add(eventId);
    do {
      this.#again.delete(eventId);
      for (let press = this.#open(eventId); press; press = this.#open(eventId)) {
        try {
          if (!(await this.#doNext(press))) break;
          this.#failures.delete(eventId);
        } catch (error) {
          if (!(await this.#failed(press, asApiError(error)))) break;
        }
      }
    } while (this.#running && this.#again.has(eventId));
    this.#working.delete(eventId);
    this.#schedulePoll();
  }

  /** Makes the next call to the service; false if there is none to make. */
  async #doNext(press: Press): Promise<boolean> {
    const { eventId } = press;
    const { api } = this.#account;
    if (press.cancelling) {
      await api.cancelRequest(eventId);
      await this.#end(press, true);
    } else if (!press.receivedAt) {
      await this.#account.ensure();
      await this.#change(press, { step: "sent", attempted: true });
      const { clientId, pressedAt } = press;
      const now = this.#open(eventId);
      // It was taken back before it was sent.
      if (now?.clientId !== clientId) return true;
      // A retry that was asked for until now is this one.
      this.#again.delete(eventId);
      const said = details(now);
      await this.#answered(await api.press({ eventId, clientId, pressedAt, ...said }, { attempts: 1 }), press);
    } else if (press.detailsPending && !press.chatId && !isTaken(press)) {
      const said = details(press);
      const answer = await api.editRequest(eventId, said, { attempts: 1 });
      const now = this.#presses.get(eventId);
      if (now && JSON.stringify(details(now)) === JSON.stringify(said)) {
        await this.#change(now, { detailsPending: false });
      }
      await this.#answered(answer, press);
    } else {
      return false;
    }
    return true;
  }

  /** Says what follows from an error. True if there is something else to do at once. */
  async #failed(before: Press, error: ApiError): Promise<boolean> {
    const { eventId } = before;
    const failure = { status: error.status, message: error.message };
    if (error.temporary || error.status === 401) {
      await this.#retryLater(before, failure, error.retryAfterSeconds);
    } else if (before.cancelling) {
      // Not there (any more): taken back. Anything else: a chat has started, and it cannot be taken back.
      if (error.status === 404) await this.#end(before, true);
      else await this.#change(before, { cancelling: false, failure });
      await this.refresh();
    } else if (before.receivedAt) {
      // The chat has started, where the details are still to be said, or it is over.
      await this.refresh();
      const now = this.#open(eventId);
      if (now && !now.chatId && !isTaken(now)) await this.#change(now, { detailsPending: false, failure });
    } else if (error.message.includes("already exists")) {
      // Another device of the person has pressed, and that request is this one. It lacks the details of this one.
      await this.#change(before, { detailsPending: JSON.stringify(details(before)) !== "{}" });
      await this.refresh();
      const now = this.#open(eventId);
      if (now?.receivedAt) return true;
      // It has ended meanwhile, so that this one can be sent.
      await this.#retryLater(before, failure);
    } else {
      await this.#change(before, { step: "failed", failure });
    }
    return false;
  }

  async #retryLater(press: Press, failure: Failure, retryAfterSeconds = 0): Promise<void> {
    const { eventId } = press;
    const failures = (this.#failures.get(eventId) ?? 0) + 1;
    this.#failures.set(eventId, failures);
    const asked = Math.min(retryAfterSeconds * 1000, LONGEST_WAIT_MS);
    const wait = Math.max(backoff(failures, this.#random, 1000, LONGEST_BACKOFF_MS), asked);
    // When the person has to sign in first, the account tells.
    if (this.#running && !this.#account.snapshot.mustSignIn) {
      this.#retries.get(eventId)?.();
      this.#retries.set(
        eventId,
        this.#clock.after(wait, () => this.#retryNow(eventId)),
      );
    }
    const retryAt = this.#clock.now() + wait;
    await this.#change(press, { failure, retryAt, ...(!press.receivedAt && { step: "kept" }) });
  }

  async #refresh(): Promise<void> {
    this.#schedulePoll();
    try {
      const { user } = await this.#account.load();
      if (!user) return;
      const safe = this.#safe();
      this.#justEnded.clear();
      const requests = await this.#account.api.myRequests();
      // Somebody has signed in, for whom it is asked again, or out.
      if (this.#account.snapshot.user !== user) return;
      for (const eventId of new Set(requests.map((request) => request.eventId))) {
        const request = this.#choose(requests.filter((each) => each.eventId === eventId));
        if (request && !this.#justEnded.has(request.clientId)) await this.#answered(request);
      }
      for (const press of safe) {
        if (!requests.some(({ eventId }) => eventId === press.eventId)) await this.#end(press);
      }
    } catch {
      // It is asked again in a while.
    }
  }

  /** A guest who has signed in may have two requests for an event: that which somebody has taken counts, or the own. */
  #choose(requests: HelpRequest[]): HelpRequest | undefined {
    const isMine = ({ eventId, clientId }: HelpRequest) => this.#presses.get(eventId)?.clientId === clientId;
    return requests.find(({ state }) => state === "active") ?? requests.find(isMine) ?? requests[0];
  }

  /** Takes an answer, unless the press that has asked is gone: its person has signed out. */
  async #answered(request: HelpRequest, asking?: Press): Promise<void> {
    // A captive portal answers 200 to anything.
    if (!request?.receivedAt) throw new ApiError(0, ["no answer"]);
    const { eventId, clientId = uuid(), pressedAt, receivedAt, position, estimatedWaitSeconds, chatId, kind } = request;
    const open = this.#open(eventId);
    if (asking && asking.clientId !== open?.clientId) return;
    const press: Press = open ?? { eventId, clientId, pressedAt, step: "safe" };
    const { failure: _, retryAt: __, ...rest } = press;
    await this.#store({
      ...(kind && { kind }),
      ...(request.description && { description: request.description }),
      ...rest,
      step: this.#stepOf(press, request),
      receivedAt,
      estimatedWaitSeconds,
      ...(position && { position }),
      ...(chatId && { chatId }),
    });
    // What the session was told before counts only now.
    if (this.#session) this.#look(this.#session);
  }

  #stepOf({ step }: Press, { state, position }: HelpRequest): PressStep {
    const taken = step === "taken" || step === "read";
    if (state === "ended") return state;
    if (state === "active") return step === "read" ? step : "taken";
    // The session knows it sooner.
    if (taken && this.#live()) return step;
    return position || taken || step === "waiting" ? "waiting" : "safe";
  }

  #look({ snapshot }: FollowedSession): void {
    for (const { eventId, position, estimatedWaitSeconds } of snapshot.positions) {
      const press = this.#open(eventId);
      if (!press?.receivedAt || isTaken(press)) continue;
      if (press.position === position && press.estimatedWaitSeconds === estimatedWaitSeconds) continue;
      void this.#change(press, { step: "waiting", position, estimatedWaitSeconds });
    }
    for (const { id, state, organizerId, readSeq, chat } of snapshot.chats) {
      const press = this.#open(chat.eventId);
      if (!press?.receivedAt || (press.chatId ? press.chatId !== id : isOlder(chat.timeStart, press.receivedAt)))
        continue;
      if (state === "closed") {
        if (press.chatId) void this.#end(press);
        continue;
      }
      const step = state === "waiting" ? "waiting" : readSeq > 0 ? "read" : "taken";
      if (press.step === step && press.chatId && press.organizerId === organizerId) continue;
      const { organizerName } = chat;
      void this.#change(press, { step, chatId: id, organizerId, ...(organizerName && { organizerName }) });
    }
  }

  #end(press: Press, cancelled = false): Promise<void> {
    this.#justEnded.add(press.clientId);
    return this.#change(press, { step: "ended", cancelling: false, cancelled });
  }

  /** What the session shows, if it is live. */
  #live(): FollowedSession["snapshot"] | undefined {
    const snapshot = this.#session?.snapshot;
    return snapshot?.connection.name === "live" ? snapshot : undefined;
  }

  #safe(): Press[] {
    return [...this.#presses.values()].filter((press) => press.receivedAt && isOpen(press));
  }

  #open(eventId: number): Press | undefined {
    const press = this.#presses.get(eventId);
    return isOpen(press) ? press : undefined;
  }

  #load(): Promise<void> {
    this.#loading ??= (async () => {
      for (const { value: press } of await this.#storage.list<Press>(PREFIX)) {
        this.#presses.set(press.eventId, press.step === "sent" ? { ...press, step: "kept" } : press);
      }
      this.#tell(true);
    })();
    return this.#loading;
  }

  /** What a person has pressed is not sent for the next one. What a lost guest has not sent yet still is. */
  async #loseAccount(): Promise<void> {
    for (const { eventId, receivedAt } of this.#presses.values()) {
      const key = PREFIX + eventId;
      if (receivedAt) await this.#storage.delete(key);
      if (!(await this.#storage.get(key))) this.#presses.delete(eventId);
    }
    this.#tell();
  }

  /** Changes the press as it is now, unless it is over or another has taken its place. */
  async #change(press: Press, change: Partial<Press>): Promise<void> {
    const now = this.#open(press.eventId);
    if (now?.clientId === press.clientId) await this.#store({ ...now, ...change });
  }

  async #store(press: Press): Promise<void> {
    this.#presses.set(press.eventId, press);
    this.#tell();
    // What another tab has pressed since stays.
    await this.#storage.update<Press>(PREFIX + press.eventId, (other) =>
      isOpen(other) && other.pressedAt > press.pressedAt ? other : press,
    );
    if (this.#snapshot.persistent !== this.#storage.persistent) this.#tell();
  }

  #tell(loaded = this.#snapshot.loaded): void {
    const presses = [...this.#presses.values()].sort((a, b) => (a.pressedAt < b.pressedAt ? 1 : -1));
    this.#snapshot = { loaded, presses, persistent: this.#storage.persistent };
    this.#listeners.tell(this.#snapshot);
  }

  #retryNow(eventId: number): void {
    this.#retries.get(eventId)?.();
    this.#retries.delete(eventId);
    void this.#work(eventId);
  }

  #schedulePoll(): void {
    this.#cancelPoll?.();
    const safe = this.#safe();
    if (!this.#running || !safe.length) return;
    const wait = safe.some(({ step }) => step === "safe") ? FIRST_POLL_MS : POLL_MS;
    this.#cancelPoll = this.#clock.after(wait, () => {
      if (this.#safe().every((press) => this.#isToldOf(press))) this.#schedulePoll();
      else void this.refresh();
    });
  }

  /** A session that went live after a chat had ended does not tell of it. */
  #isToldOf({ eventId, chatId }: Press): boolean {
    const live = this.#live();
    return (
      !!live && (live.positions.some((at) => at.eventId === eventId) || live.chats.some(({ id }) => id === chatId))
    );
  }
}

function isOpen(press: Press | undefined): press is Press {
  return press !== undefined && press.step !== "ended" && press.step !== "failed";
}

function isTaken({ step }: Press): boolean {
  return step === "taken" || step === "read";
}

/** The chat is about an earlier press. The clocks of two services may differ a little. */
function isOlder(chatStart: string, receivedAt: string): boolean {
  return Date.parse(chatStart) + CLOCK_SKEW_MS < Date.parse(receivedAt);
}

/** It may have reached the service. */
function wasSent(press: Press): boolean {
  return !!(press.attempted || press.receivedAt);
}

function details({ description, kind, lat, lng, accuracy, positionAt }: RequestDetails): RequestDetails {
  // Members that are `undefined` are left out of JSON.
  return { description, kind, lat, lng, accuracy, positionAt } as RequestDetails;
}

function asApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError(0, [String(error)]);
}
