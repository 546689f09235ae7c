import assert from "node:assert/strict";
import { test } from "node:test";
import { Account } from "../../src/account.js";
import { MemoryStorage } from "../../src/memory.js";
import { PressQueue } from "../../src/press-queue.js";
import type { FollowedSession, Press } from "../../src/press-types.js";
import { Session } from "../../src/session.js";
import { type FakeAnswer, type FakeCall, FakeClock, FakeNetwork, FakeService, helpRequest, settle } from "../fakes.js";

const GUEST = {
  id: 31,
  email: "guest-1@guest.invalid",
  phoneNumber: "",
  timeCreated: "",
  timeSignOut: "",
  guest: true,
};
const PRESS = "/participant/chat-requests";
const MINE = "/participant/chat-requests/mine";

type Route = (call: FakeCall) => FakeAnswer | Promise<FakeAnswer>;

/** A device, and a service that answers as `routes` say and else as a working one with an empty queue. */
class Device {
  readonly clock: FakeClock;
  readonly storage: MemoryStorage;
  readonly service: FakeService;
  account: Account;
  queue: PressQueue;
  /** The steps that the press of event 9 has been shown at. */
  readonly steps: string[] = [];
  routes: Record<string, Route> = {};
  online = true;
  guests = 0;

  constructor(storage = new MemoryStorage(), clock = new FakeClock()) {
    this.clock = clock;
    this.storage = storage;
    this.service = new FakeService((call) => {
      if (!this.online) return "no network";
      const route = this.routes[`${call.method} ${call.path}`];
      if (route) return route(call);
      if (call.path === "/participant/auth/guest") {
        this.guests += 1;
        return { status: 201, body: { user: GUEST, token: `participant:guest${this.guests}`, password: "secret" } };
      }
      if (call.path === PRESS) return { body: helpRequest({ ...call.body }) };
      if (call.path === MINE) {
        const pressed = this.service.of("POST", PRESS).at(-1);
        return { body: pressed ? [helpRequest({ ...pressed.body })] : [] };
      }
      return { status: 404, body: { message: "not found" } };
    });
    this.account = this.makeAccount();
    this.queue = this.makeQueue();
  }

  makeAccount(): Account {
    const { storage, clock } = this;
    return new Account({ participantUrl: "http://test/participant", storage, clock, fetch: this.service.fetch });
  }

  makeQueue(): PressQueue {
    const { storage, clock, account } = this;
    const queue = new PressQueue({ account, storage, clock, random: () => 1 });
    queue.subscribe(({ presses }) => {
      const step = presses.find(({ eventId }) => eventId === 9)?.step;
      if (step && step !== this.steps.at(-1)) this.steps.push(step);
    });
    return queue;
  }

  async reload(): Promise<void> {
    this.queue.stop();
    this.account = this.makeAccount();
    this.queue = this.makeQueue();
    await this.queue.start();
    await settle();
  }

  get press(): Press {
    const press = this.queue.snapshot.presses.find(({ eventId }) => eventId === 9);
    assert(press, "there is no press");
    return press;
  }

  posts() {
    return this.service.of("POST", PRESS);
  }
}

async function started(): Promise<Device> {
  const device = new Device();
  await device.queue.start();
  await settle();
  return device;
}

test("a press is stored before it is sent, and makes a guest by itself", async () => {
  const device = await started();
  let stored: unknown;
  device.routes["POST /participant/auth/guest"] = async () => {
    stored = await device.storage.get("press/9");
    return { status: 201, body: { user: GUEST, token: "participant:t", password: "secret" } };
  };
  const { clientId } = await device.queue.press(9, { description: "help", lat: 1, lng: 2 });
  await settle();
  assert.equal((stored as Press).clientId, clientId);
  assert.match(clientId, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.deepEqual(device.posts()[0]?.body, {
    ...{ eventId: 9, clientId, pressedAt: "2026-07-03T18:00:00.000Z", description: "help", lat: 1, lng: 2 },
  });
  assert.deepEqual(device.steps, ["kept", "sent", "waiting"]);
  assert.equal(device.press.receivedAt, "2026-07-03T18:00:01.000Z");
});

test("a press without network is sent once there is one, with its own time and the same clientId", async () => {
  const device = await started();
  device.online = false;
  const { clientId } = await device.queue.press(9);
  await device.clock.advance(90_000);
  assert.equal(device.press.step, "kept");
  assert.equal(device.press.failure?.status, 0);
  device.online = true;
  device.queue.wake();
  await settle();
  const posts = device.posts();
  assert.equal(device.press.step, "waiting");
  assert.equal(posts.length, 1);
  assert.deepEqual([posts[0]?.body.clientId, posts[0]?.body.pressedAt], [clientId, "2026-07-03T18:00:00.000Z"]);
});

test("a press that a proxy refuses is sent again by itself, with the same clientId", async () => {
  const device = await started();
  let refusals = 2;
  device.routes[`POST ${PRESS}`] = ({ body }) => {
    refusals -= 1;
    // Not an answer of the service: no body of its own, and no Retry-After.
    return refusals >= 0 ? { status: 429 } : { body: helpRequest({ ...body }) };
  };
  const { clientId } = await device.queue.press(9);
  await settle();
  assert.deepEqual([device.press.step, device.press.failure?.status], ["kept", 429]);
  await device.clock.advance(10_000);
  assert.equal(device.press.step, "waiting");
  assert.deepEqual(
    device.posts().map(({ body }) => body.clientId),
    [clientId, clientId, clientId],
  );
});

test("a wake while a failed attempt is being noted leads to another attempt", async () => {
  const device = await started();
  await device.account.ensure();
  device.online = false;
  // Storing the failure takes a while, in which the network comes back.
  device.queue.subscribe(({ presses }) => {
    if (!presses[0]?.failure || device.online) return;
    device.online = true;
    device.queue.wake();
  });
  await device.queue.press(9);
  await settle();
  assert.equal(device.press.step, "waiting");
});

test("attempts back off from 1 s to 15 s", async () => {
  const device = await started();
  await device.account.ensure();
  device.online = false;
  await device.queue.press(9);
  await settle();
  const waits: number[] = [];
  for (let attempt = 0; attempt < 6; attempt++) {
    const wait = (device.press.retryAt ?? 0) - device.clock.now();
    waits.push(wait);
    await device.clock.advance(wait);
  }
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 15_000, 15_000]);
});

test("a press whose answer is lost survives the end of the page and is sent with the same clientId", async () => {
  const device = await started();
  device.routes[`POST ${PRESS}`] = () => "no answer";
  const { clientId } = await device.queue.press(9);
  await settle();
  assert.equal(device.press.step, "sent");
  delete device.routes[`POST ${PRESS}`];
  await device.reload();
  assert.deepEqual(
    device.posts().map(({ body }) => body.clientId),
    [clientId, clientId],
  );
  assert.equal(device.press.step, "waiting");
  assert.equal(device.guests, 1);
});

test("a second press for the event is the first one, also in another tab", async () => {
  const device = await started();
  const other = new Device(device.storage, device.clock);
  await other.queue.start();
  device.online = other.online = false;
  const first = await device.queue.press(9);
  assert.equal((await device.queue.press(9)).clientId, first.clientId);
  assert.equal((await other.queue.press(9)).clientId, first.clientId);
});

test("a second press at the same moment does not forget that the first was sent", async () => {
  /** Each change takes a while, as in a database. */
  class SlowStorage extends MemoryStorage {
    override async update<T>(key: string, change: (value: T | undefined) => T | undefined): Promise<T | undefined> {
      const value = await super.update(key, change);
      await new Promise((resolve) => setImmediate(resolve));
      return value;
    }
  }
  const device = new Device(new SlowStorage());
  await device.queue.start();
  await device.account.ensure();
  device.routes[`POST ${PRESS}`] = () => "no answer";
  await Promise.all([device.queue.press(9), device.queue.press(9)]);
  await settle();
  assert.equal(device.press.step, "sent");
  await device.queue.cancel(9);
  assert.equal(device.press.cancelling, true);
});

test("Retry-After is honoured, but not for longer than a minute", async () => {
  const device = await started();
  for (const [seconds, wait] of [
    ["20", 20_000],
    ["900", 60_000],
  ] as const) {
    device.routes[`POST ${PRESS}`] = () => ({ status: 503, headers: { "Retry-After": seconds } });
    if (seconds === "20") await device.queue.press(9);
    else device.queue.wake();
    await settle();
    assert.equal((device.press.retryAt ?? 0) - device.clock.now(), wait);
  }
});

test("a captive portal's answer does not make a press safe", async () => {
  const device = await started();
  device.routes[`GET ${MINE}`] = () => ({ body: "<html>" });
  for (const body of ["<html>", "{}", ""]) {
    device.routes[`POST ${PRESS}`] = () => ({ body });
    await device.queue.press(9);
    device.queue.wake();
    await settle();
    assert.equal(device.press.step, "kept");
  }
});

test("a press that the service refuses for good has failed, and says why", async () => {
  const device = await started();
  device.routes[`POST ${PRESS}`] = () => ({ status: 404, body: { message: "event with id 9 not found" } });
  await device.queue.press(9);
  await settle();
  assert.deepEqual(
    [device.press.step, device.press.failure],
    ["failed", { status: 404, message: "event with id 9 not found" }],
  );
  await device.clock.advance(60_000);
  assert.equal(device.posts().length, 1);
  await device.queue.forget(9);
  assert.deepEqual(await device.storage.list("press/"), []);
});

test("a press of another device is adopted, and gets the details of this one", async () => {
  const device = await started();
  const theirs = helpRequest({ clientId: "6f1b0c5e-0000-4000-8000-000000000000", position: 3 });
  device.routes[`POST ${PRESS}`] = () => ({ status: 400, body: { message: "chat request already exists" } });
  device.routes[`GET ${MINE}`] = () => ({ body: [theirs] });
  device.routes[`PATCH ${MINE}/9`] = ({ body }) => ({ body: { ...theirs, ...body } });
  await device.queue.press(9, { kind: "medical" });
  await settle();
  assert.deepEqual([device.press.step, device.press.position], ["waiting", 3]);
  assert.deepEqual(device.service.of("PATCH", `${MINE}/9`)[0]?.body, { kind: "medical" });
  assert.equal(device.press.detailsPending, false);
});

test("a press that has ended before its answer arrived is not shown as open", async () => {
  const device = await started();
  device.routes[`POST ${PRESS}`] = ({ body }) => ({ body: helpRequest({ ...body, state: "ended", position: null }) });
  device.routes[`GET ${MINE}`] = () => ({ body: [] });
  await device.queue.press(9);
  await settle();
  assert.equal(device.press.step, "ended");
});

test("the place in the queue, which a press is not answered with, is asked for soon", async () => {
  const device = await started();
  device.routes[`POST ${PRESS}`] = ({ body }) => ({ body: helpRequest({ ...body, position: null }) });
  await device.queue.press(9);
  await settle();
  assert.equal(device.press.step, "safe");
  await device.clock.advance(2000);
  assert.deepEqual([device.press.step, device.press.position], ["waiting", 1]);
});

test("of two requests for an event, that which somebody has taken is shown", async () => {
  const device = await started();
  const { clientId } = await device.queue.press(9);
  await settle();
  const taken = helpRequest({ clientId: "6f1b0c5e-0000-4000-8000-000000000000", state: "active", chatId: "c1" });
  for (const requests of [
    [helpRequest({ clientId }), taken],
    [taken, helpRequest({ clientId })],
  ]) {
    device.routes[`GET ${MINE}`] = () => ({ body: requests });
    await device.queue.refresh();
    assert.deepEqual([device.press.step, device.press.chatId], ["taken", "c1"]);
  }
});

test("what another device has pressed is shown after the start", async () => {
  const device = new Device();
  await device.account.ensure();
  device.routes[`GET ${MINE}`] = () => ({ body: [helpRequest({ state: "active", position: null, chatId: "c1" })] });
  await device.queue.start();
  await settle();
  assert.deepEqual([device.press.step, device.press.chatId], ["taken", "c1"]);
});

test("details said before the first attempt go with the press, later ones follow it", async () => {
  const device = await started();
  device.online = false;
  await device.queue.press(9);
  await settle();
  await device.queue.addDetails(9, { kind: "lost" });
  device.online = true;
  device.routes[`POST ${PRESS}`] = () => "no answer";
  device.queue.wake();
  await settle();
  assert.equal(device.posts()[0]?.body.kind, "lost");
  await device.queue.addDetails(9, { description: "by the gate" });
  assert.equal(device.press.detailsPending, true);
  delete device.routes[`POST ${PRESS}`];
  device.routes[`PATCH ${MINE}/9`] = ({ body }) => ({ body: helpRequest(body) });
  await device.clock.advance(20_000);
  assert.deepEqual(device.service.of("PATCH", `${MINE}/9`)[0]?.body, { kind: "lost", description: "by the gate" });
  assert.deepEqual([device.press.step, device.press.detailsPending], ["waiting", false]);
});

test("details that come too late stay pending until they are said in the chat", async () => {
  const device = await started();
  await device.queue.press(9);
  await settle();
  device.routes[`PATCH ${MINE}/9`] = () => ({ status: 400, body: { message: "chat has already started" } });
  device.routes[`GET ${MINE}`] = () => ({ body: [helpRequest({ state: "active", position: null, chatId: "c1" })] });
  await device.queue.addDetails(9, { description: "by the gate" });
  await settle();
  assert.deepEqual([device.press.step, device.press.detailsPending], ["taken", true]);
  await device.queue.detailsSaid(9);
  assert.equal(device.press.detailsPending, false);
});

test("a press that was never sent is taken back without a call", async () => {
  const device = await started();
  device.online = false;
  await device.queue.press(9);
  await settle();
  const calls = device.service.calls.length;
  await device.queue.cancel(9);
  await settle();
  assert.deepEqual([device.press.step, device.press.cancelled], ["ended", true]);
  device.online = true;
  await device.clock.advance(60_000);
  assert.equal(device.posts().length, 0);
  assert(device.service.calls.length >= calls);
});

test("a press that is taken back while its guest is being made is not sent", async () => {
  const device = await started();
  let answer: (answer: FakeAnswer) => void = () => undefined;
  device.routes["POST /participant/auth/guest"] = () =>
    new Promise((resolve) => {
      answer = resolve;
    });
  await device.queue.press(9);
  await settle();
  await device.queue.cancel(9);
  answer({ status: 201, body: { user: GUEST, token: "participant:t", password: "secret" } });
  await device.clock.advance(60_000);
  assert.equal(device.posts().length, 0);
  assert.deepEqual([device.press.step, device.press.cancelled], ["ended", true]);
});

test("a press that may have been sent is taken back by the service, also after a reload", async () => {
  const device = await started();
  await device.queue.press(9);
  await settle();
  device.online = false;
  await device.queue.cancel(9);
  await settle();
  assert.deepEqual([device.press.step, device.press.cancelling], ["waiting", true]);
  device.online = true;
  device.routes[`DELETE ${MINE}/9`] = () => ({});
  await device.reload();
  assert.equal(device.service.of("DELETE", `${MINE}/9`).length >= 1, true);
  assert.deepEqual([device.press.step, device.press.cancelled], ["ended", true]);
});

test("a press that is being taken back has no failure until that fails", async () => {
  const device = await started();
  device.routes[`POST ${PRESS}`] = () => ({ status: 503, headers: { "Retry-After": "60" } });
  await device.queue.press(9);
  await settle();
  assert.equal(device.press.failure?.status, 503);
  let answer: (answer: FakeAnswer) => void = () => undefined;
  device.routes[`DELETE ${MINE}/9`] = () =>
    new Promise((resolve) => {
      answer = resolve;
    });
  await device.queue.cancel(9);
  await settle();
  assert.deepEqual([device.press.cancelling, device.press.failure], [true, undefined]);
  answer({ status: 504 });
  await settle();
  assert.deepEqual([device.press.cancelling, device.press.failure?.status], [true, 504]);
});

test("a press cannot be taken back once a chat has started", async () => {
  const device = await started();
  await device.queue.press(9);
  await settle();
  device.routes[`DELETE ${MINE}/9`] = () => ({ status: 400, body: { message: "chat has already started" } });
  device.routes[`GET ${MINE}`] = () => ({ body: [helpRequest({ state: "active", position: null, chatId: "c1" })] });
  await device.queue.cancel(9);
  await settle();
  assert.deepEqual([device.press.step, device.press.cancelling], ["taken", false]);
});

test("an answer that is older than the cancellation does not bring the press back", async () => {
  const device = await started();
  const { clientId } = await device.queue.press(9);
  await settle();
  let answer: (answer: FakeAnswer) => void = () => undefined;
  device.routes[`GET ${MINE}`] = () =>
    new Promise((resolve) => {
      answer = resolve;
    });
  device.routes[`DELETE ${MINE}/9`] = () => ({});
  void device.queue.refresh();
  await settle();
  await device.queue.cancel(9);
  await settle();
  answer({ body: [helpRequest({ clientId })] });
  await settle();
  assert.equal(device.press.step, "ended");
});

test("a chat that was closed on another device ends the press", async () => {
  const device = await started();
  await device.queue.press(9);
  await settle();
  device.routes[`GET ${MINE}`] = () => ({ body: [] });
  await device.clock.advance(10_000);
  assert.deepEqual([device.press.step, device.press.cancelled], ["ended", false]);
});

/** A session that shows what a test says. */
class FakeSession implements FollowedSession {
  snapshot: FollowedSession["snapshot"] = { connection: { name: "live" }, positions: [], chats: [] };
  #listener: () => void = () => undefined;

  subscribe(listener: () => void): () => void {
    this.#listener = listener;
    return () => undefined;
  }

  forgetPosition(eventId: number): void {
    this.show({ positions: this.snapshot.positions.filter((place) => place.eventId !== eventId) });
  }

  show(more: Partial<FollowedSession["snapshot"]>): void {
    this.snapshot = { ...this.snapshot, ...more };
    this.#listener();
  }
}

const CHAT = {
  ...{ id: "c1", state: "active" as const, organizerId: 12, readSeq: 0 },
  chat: { eventId: 9, timeStart: "2026-07-03T18:00:05.000Z", organizerName: "Ada" },
};

test("the session's news move the press up the ladder", async () => {
  const device = await started();
  await device.queue.press(9);
  await settle();
  const session = new FakeSession();
  device.queue.follow(session);
  session.show({ positions: [{ eventId: 9, position: 2, estimatedWaitSeconds: 30 }] });
  assert.deepEqual([device.press.position, device.press.estimatedWaitSeconds], [2, 30]);
  session.show({ positions: [], chats: [CHAT] });
  assert.deepEqual([device.press.step, device.press.organizerName], ["taken", "Ada"]);
  session.show({ chats: [{ ...CHAT, readSeq: 1 }] });
  assert.equal(device.press.step, "read");
  session.show({ chats: [{ ...CHAT, state: "waiting", readSeq: 1 }] });
  assert.equal(device.press.step, "waiting");
  session.show({ chats: [{ ...CHAT, organizerId: 13, readSeq: 1 }] });
  assert.deepEqual([device.press.step, device.press.organizerId], ["read", 13]);
  const asked = device.service.of("GET", MINE).length;
  await device.clock.advance(60_000);
  assert.equal(device.service.of("GET", MINE).length, asked, "a live session makes polling needless");
  session.show({ chats: [{ ...CHAT, state: "closed" }] });
  assert.equal(device.press.step, "ended");
});

test("a chat that ended before the session went live ends the press", async () => {
  const device = await started();
  device.routes[`GET ${MINE}`] = () => ({ body: [helpRequest({ state: "active", position: null, chatId: "c1" })] });
  await device.queue.press(9);
  await settle();
  await device.queue.refresh();
  assert.equal(device.press.step, "taken");
  device.queue.follow(new FakeSession());
  device.routes[`GET ${MINE}`] = () => ({ body: [] });
  await device.clock.advance(10_000);
  assert.equal(device.press.step, "ended");
});

test("a place that the session was told before the answer came is not lost", async () => {
  const device = await started();
  const session = new FakeSession();
  device.queue.follow(session);
  let answer: (answer: FakeAnswer) => void = () => undefined;
  device.routes[`POST ${PRESS}`] = () =>
    new Promise((resolve) => {
      answer = resolve;
    });
  await device.queue.press(9);
  await settle();
  session.show({ positions: [{ eventId: 9, position: 4, estimatedWaitSeconds: -1 }] });
  answer({ body: helpRequest({ position: null }) });
  await settle();
  assert.deepEqual([device.press.step, device.press.position], ["waiting", 4]);
});

test("the place of a request that was taken back is not that of the next one", async () => {
  const device = await started();
  const session = new FakeSession();
  device.queue.follow(session);
  await device.queue.press(9);
  await settle();
  session.show({ positions: [{ eventId: 9, position: 1, estimatedWaitSeconds: 30 }] });
  device.routes[`DELETE ${MINE}/9`] = () => ({});
  await device.queue.cancel(9);
  await settle();
  // The service has it, and its queue not yet.
  device.routes[`POST ${PRESS}`] = ({ body }) => ({ body: helpRequest({ ...body, position: null }) });
  device.routes[`GET ${MINE}`] = () => ({ body: [helpRequest({ position: 5 })] });
  await device.queue.press(9);
  await settle();
  assert.equal(device.press.step, "safe");
  await device.clock.advance(2000);
  assert.deepEqual([device.press.step, device.press.position], ["waiting", 5]);
});

test("a chat that began before the press is about an earlier one", async () => {
  const device = await started();
  const session = new FakeSession();
  session.show({ chats: [{ ...CHAT, chat: { ...CHAT.chat, timeStart: "2026-07-03T17:00:00.000Z" } }] });
  device.queue.follow(session);
  await device.queue.press(9);
  await settle();
  assert.equal(device.press.step, "waiting");
});

test("a guest whose token has ended signs in again and presses", async () => {
  const device = await started();
  await device.account.ensure();
  device.routes[`POST ${PRESS}`] = ({ token, body }) =>
    token === "participant:new" ? { body: helpRequest(body) } : { status: 401, body: { message: "invalid token" } };
  device.routes["POST /participant/auth/sign-in"] = () => ({ body: { user: GUEST, token: "participant:new" } });
  await device.queue.press(9);
  await settle();
  assert.equal(device.press.step, "waiting");
  assert.deepEqual(device.service.of("POST", "/participant/auth/sign-in")[0]?.body, {
    ...{ email: GUEST.email, password: "secret" },
  });
  await device.reload();
  assert.equal(await device.account.token(), "participant:new");
});

test("a guest who was deleted is made anew", async () => {
  const device = await started();
  await device.account.ensure();
  device.routes[`POST ${PRESS}`] = ({ token, body }) =>
    token === "participant:guest2" ? { body: helpRequest(body) } : { status: 401, body: { message: "invalid token" } };
  device.routes["POST /participant/auth/sign-in"] = () => ({
    status: 401,
    body: { message: "invalid email or password" },
  });
  await device.queue.press(9);
  await device.clock.advance(2000);
  assert.equal(device.press.step, "waiting");
  assert.equal(device.guests, 2);
});

test("a full account whose token has ended waits for the person, and then presses by itself", async () => {
  const device = await started();
  const user = { ...GUEST, email: "jan@example.org", guest: false };
  let token = "participant:old";
  device.routes["POST /participant/auth/sign-in"] = () => ({ body: { user, token } });
  await device.account.signIn({ email: user.email, password: "long enough" });
  device.routes[`POST ${PRESS}`] = (call) =>
    call.token === "participant:new"
      ? { body: helpRequest(call.body) }
      : { status: 401, body: { message: "invalid token" } };
  await device.queue.press(9);
  await settle();
  assert.deepEqual([device.press.step, device.press.failure?.status], ["kept", 401]);
  assert.equal(device.account.snapshot.mustSignIn, true);
  await device.clock.advance(60_000);
  assert.equal(device.posts().length, 1);
  token = "participant:new";
  await device.account.signIn({ email: user.email, password: "long enough" });
  await settle();
  assert.equal(device.press.step, "waiting");
});

for (const order of [
  ["guest", "sign-in"],
  ["sign-in", "guest"],
]) {
  test(`what is pressed during a sign-in goes to the account; first called: ${order[0]}`, async () => {
    const device = await started();
    const user = { ...GUEST, id: 32, email: "jan@example.org", guest: false };
    const answers: Record<string, (answer: FakeAnswer) => void> = {};
    for (const call of order) {
      device.routes[`POST /participant/auth/${call}`] = () =>
        new Promise((answer) => {
          answers[call] = answer;
        });
    }
    const calls: Record<string, () => Promise<unknown>> = {
      guest: () => device.queue.press(9),
      "sign-in": () => device.account.signIn({ email: user.email, password: "long enough" }),
    };
    const called = [];
    for (const call of order) {
      called.push(calls[call]?.());
      await settle();
    }
    answers.guest?.({ status: 201, body: { user: GUEST, token: "participant:guest1", password: "secret" } });
    await settle();
    answers["sign-in"]?.({ body: { user, token: "participant:full" } });
    await Promise.all(called);
    await device.clock.advance(1000);
    assert.deepEqual(device.account.snapshot.user, user);
    const [signIn] = device.service.of("POST", "/participant/auth/sign-in");
    const lastPress = device.posts().at(-1);
    // A guest's press goes over to the account by the sign-in that has the guest's token.
    assert(lastPress?.token === "participant:full" || signIn?.token === lastPress?.token);
    assert.equal(device.press.step, "waiting");
  });
}

const JAN = { ...GUEST, id: 32, email: "jan@example.org", guest: false };
const CHANGE = "/participant/profile/change-password";
const PASSWORDS = { oldPassword: "long enough", newPassword: "longer than that" };

/** Jan has signed in and has pressed. The service knows the last of its tokens only. */
async function signedIn(): Promise<Device> {
  const device = await started();
  let tokens = 0;
  const token = () => `participant:${tokens}`;
  device.routes["POST /participant/auth/sign-in"] = () => {
    tokens += 1;
    return { body: { user: JAN, token: token() } };
  };
  device.routes[`GET ${MINE}`] = (call) =>
    call.token === token()
      ? { body: [helpRequest({ clientId: device.press.clientId })] }
      : { status: 401, body: { message: "invalid token" } };
  await device.account.signIn({ email: JAN.email, password: "long enough" });
  await device.queue.press(9);
  await settle();
  return device;
}

test("a change of the password signs in anew, and a refusal meanwhile does not end the sign-in", async () => {
  const device = await signedIn();
  const signIn = device.routes["POST /participant/auth/sign-in"] as Route;
  // The service ends all sessions before it answers.
  device.routes[`PATCH ${CHANGE}`] = () => ({ body: JAN });
  device.routes["POST /participant/auth/sign-in"] = async (call) => {
    const answer = await signIn(call);
    void device.queue.refresh();
    await assert.rejects(device.account.renew("participant:1"), { status: 0 });
    return answer;
  };
  await device.account.changePassword(PASSWORDS);
  await settle();
  assert.deepEqual(device.service.of("PATCH", CHANGE)[0]?.body, {
    ...PASSWORDS,
    confirmNewPassword: PASSWORDS.newPassword,
  });
  assert.deepEqual(device.service.of("POST", "/participant/auth/sign-in").at(-1)?.body, {
    ...{ email: JAN.email, password: PASSWORDS.newPassword },
  });
  assert.equal(device.account.snapshot.mustSignIn, false);
  // Whoever is refused afterwards, such as a session, has the new token.
  assert.equal(await device.account.renew("participant:1"), "participant:2");
  await device.reload();
  assert.equal(await device.account.token(), "participant:2");
  assert.equal(device.press.step, "waiting");
});

test("after a change of the password the sign-in is tried until there is a network", async () => {
  const device = await signedIn();
  device.routes[`PATCH ${CHANGE}`] = () => {
    device.online = false;
    return { body: JAN };
  };
  const changed = device.account.changePassword(PASSWORDS);
  await device.clock.advance(120_000);
  assert.equal(device.account.snapshot.mustSignIn, false);
  device.online = true;
  await device.clock.advance(30_000);
  await changed;
  assert.equal(await device.account.token(), "participant:2");
});

test("who signs out before the sign-in after a change of the password is answered stays signed out", async () => {
  const device = await signedIn();
  device.routes[`PATCH ${CHANGE}`] = () => ({ body: JAN });
  const signIn = device.routes["POST /participant/auth/sign-in"] as Route;
  device.routes["POST /participant/auth/sign-in"] = async (call) => {
    await device.account.signOut();
    return signIn(call);
  };
  await device.account.changePassword(PASSWORDS);
  assert.equal(device.account.snapshot.user, undefined);
  assert.equal(await device.account.token(), undefined);
});

test("a change of the password that is refused leaves the sign-in as it is", async () => {
  const device = await signedIn();
  device.routes[`PATCH ${CHANGE}`] = () => ({ status: 401, body: { message: "invalid password" } });
  await assert.rejects(device.account.changePassword(PASSWORDS), { message: "invalid password" });
  assert.equal(device.service.of("POST", "/participant/auth/sign-in").length, 1);
  assert.equal(await device.account.token(), "participant:1");
  assert.equal(device.account.snapshot.mustSignIn, false);
});

test("a sign-out whose answer comes late does not sign out who has come since", async () => {
  const device = await started();
  const user = { ...GUEST, id: 32, guest: false };
  device.routes["POST /participant/auth/sign-in"] = () => ({ body: { user, token: "participant:full" } });
  await device.account.signIn({ email: user.email, password: "long enough" });
  const answers: ((answer: FakeAnswer) => void)[] = [];
  device.routes["POST /participant/auth/sign-out"] = () =>
    new Promise((answer) => {
      answers.push(answer);
    });
  const signedOut = [device.account.signOut(), device.account.signOut()];
  await settle();
  answers[0]?.("no network");
  await signedOut[0];
  await device.queue.press(9);
  await settle();
  answers[1]?.("no network");
  await signedOut[1];
  await settle();
  assert.equal(device.press.step, "waiting");
  await device.reload();
  assert.deepEqual(device.account.snapshot.user, GUEST);
});

test("a guest who is signed in again while the person signs in does not take the account's place", async () => {
  const device = await started();
  await device.account.ensure();
  const user = { ...GUEST, id: 32, email: "jan@example.org", guest: false };
  const answers: Record<string, (answer: FakeAnswer) => void> = {};
  device.routes["POST /participant/auth/sign-in"] = ({ body }) =>
    new Promise((answer) => {
      answers[String(body.email)] = answer;
    });
  const renewed = device.account.renew("participant:guest1");
  await settle();
  const signedIn = device.account.signIn({ email: user.email, password: "long enough" });
  await settle();
  answers[user.email]?.({ body: { user, token: "participant:full" } });
  await signedIn;
  answers[GUEST.email]?.({ body: { user: GUEST, token: "participant:guest2" } });
  assert.equal(await renewed, "participant:full");
  assert.deepEqual(device.account.snapshot.user, user);
  await device.reload();
  assert.deepEqual(device.account.snapshot.user, user);
});

test("a guest is not signed in again while the person signs in", async () => {
  const device = await started();
  await device.queue.press(9);
  await settle();
  const user = { ...GUEST, id: 32, email: "jan@example.org", guest: false };
  // The service signs the guest out before it answers.
  device.routes["POST /participant/auth/sign-in"] = async ({ body }) => {
    device.routes[`GET ${MINE}`] = ({ token }) =>
      token === "participant:full"
        ? { body: [helpRequest({ clientId: device.press.clientId })] }
        : { status: 401, body: { message: "invalid token" } };
    void device.queue.refresh();
    await settle();
    return { body: { user: body.email === user.email ? user : GUEST, token: "participant:full" } };
  };
  await device.account.signIn({ email: user.email, password: "long enough" });
  await device.clock.advance(1000);
  const signIns = device.service.of("POST", "/participant/auth/sign-in");
  assert.deepEqual(
    signIns.map(({ body }) => body.email),
    [user.email],
  );
  assert.deepEqual(device.steps, ["kept", "sent", "waiting"]);
});

test("signing up sends the guest's token and keeps what is pressed", async () => {
  const device = await started();
  await device.queue.press(9);
  await settle();
  const user = { ...GUEST, email: "jan@example.org", guest: false };
  device.routes["POST /participant/auth/sign-up"] = () => ({ status: 201, body: { user, token: "participant:full" } });
  await device.account.signUp({ email: user.email, password: "long enough" });
  assert.equal(device.service.of("POST", "/participant/auth/sign-up")[0]?.token, "participant:guest1");
  assert.equal(device.press.step, "waiting");
  assert.deepEqual(device.account.snapshot.user, user);
});

test("what a guest has not sent is sent by the account that the guest signs in to", async () => {
  const device = await started();
  const guest = await device.account.ensure();
  const { network, storage, clock } = { ...device, network: new FakeNetwork() };
  const session = (id: number) =>
    new Session({
      ...{ url: "wss://test/connect", owner: `participant:${id}`, credentials: device.account },
      ...{ storage, clock, WebSocket: network.WebSocket },
    });
  await session(guest.id).send("c1", "It is by the gate");
  const user = { ...GUEST, id: 32, email: "jan@example.org", guest: false };
  device.routes["POST /participant/auth/sign-in"] = () => ({ body: { user, token: "participant:full" } });
  await device.account.signIn({ email: user.email, password: "long enough" });
  await session(user.id).start();
  const socket = await network.accept({ realm: "participant", id: user.id });
  assert.equal(socket.last("send_message").payload.message, "It is by the gate");
  assert.equal((await storage.list("outbox/")).length, 1);
});

test("a guest's old token is renewed before it is used to sign up", async () => {
  const device = await started();
  await device.account.ensure();
  await device.clock.advance(23.5 * 3_600_000);
  device.routes["POST /participant/auth/sign-in"] = () => ({ body: { user: GUEST, token: "participant:fresh" } });
  device.routes["POST /participant/auth/sign-up"] = () => ({
    status: 201,
    body: { user: GUEST, token: "participant:full" },
  });
  await device.account.signUp({ email: "jan@example.org", password: "long enough" });
  assert.equal(device.service.of("POST", "/participant/auth/sign-up")[0]?.token, "participant:fresh");
});

test("signing out leaves nothing of the person on the device", async () => {
  const device = await started();
  await device.queue.press(9);
  await settle();
  device.routes["POST /participant/auth/sign-out"] = () => "no network";
  await device.account.signOut();
  await settle();
  assert.deepEqual(await device.storage.list(""), []);
  assert.deepEqual(device.queue.snapshot.presses, []);
});

for (const route of [`POST ${PRESS}`, `PATCH ${MINE}/9`, `GET ${MINE}`]) {
  test(`an answer to ${route} that comes after the sign-out shows nothing of the person`, async () => {
    const device = await started();
    const user = { ...GUEST, email: "ola@example.org", guest: false };
    const signedUp = { status: 201, body: { user, token: "participant:full" } };
    device.routes["POST /participant/auth/sign-up"] = () => signedUp;
    await device.account.signUp({ email: user.email, password: "long enough" });
    let answer: (answer: FakeAnswer) => void = () => undefined;
    device.routes[route] = () =>
      new Promise((resolve) => {
        answer = resolve;
      });
    const { clientId } = await device.queue.press(9);
    await settle();
    await device.queue.addDetails(9, { kind: "lost" });
    void device.queue.refresh();
    await settle();
    await device.account.signOut();
    await settle();
    const body = helpRequest({ clientId });
    answer({ body: route.startsWith("GET") ? [body] : body });
    await settle();
    assert.deepEqual(device.queue.snapshot.presses, []);
    assert.deepEqual(await device.storage.list(""), []);
  });
}

test("who has signed in in another tab is signed in here, although the guest's token is still good", async () => {
  const device = await started();
  const { clientId } = await device.queue.press(9);
  await settle();
  const other = new Device(device.storage, device.clock);
  const user = { ...GUEST, id: 32, email: "jan@example.org", guest: false };
  other.routes["POST /participant/auth/sign-in"] = () => ({ body: { user, token: "participant:full" } });
  await other.account.signIn({ email: user.email, password: "long enough" });
  device.routes[`GET ${MINE}`] = ({ token }) => ({
    body: token === "participant:full" ? [helpRequest({ clientId })] : [],
  });
  await device.queue.refresh();
  await settle();
  assert.deepEqual(device.account.snapshot.user, user);
  assert.deepEqual(device.steps, ["kept", "sent", "waiting"]);
});

test("a press that is over here does not take the place of a later one of another tab", async () => {
  const device = await started();
  await device.queue.press(9);
  await settle();
  const other = new Device(device.storage, device.clock);
  await other.queue.start();
  await settle();
  other.routes[`DELETE ${MINE}/9`] = () => ({});
  await other.queue.cancel(9);
  await settle();
  other.online = false;
  await device.clock.advance(1);
  const { clientId } = await other.queue.press(9);
  await settle();
  device.routes[`GET ${MINE}`] = () => ({ body: [] });
  await device.queue.refresh();
  const [kept] = await device.storage.list<Press>("press/");
  assert.equal(kept?.value.clientId, clientId);
});

test("two tabs that need a guest at once end up with the same one", async () => {
  const storage = new MemoryStorage();
  const [one, two] = [new Device(storage), new Device(storage)];
  const users = await Promise.all([one.account.ensure(), two.account.ensure()]);
  assert.equal(users.length, 2);
  assert.equal(await one.account.token(), await two.account.token());
});

test("a stopped queue leaves no timer behind", async () => {
  const device = await started();
  device.online = false;
  await device.queue.press(9);
  await settle();
  device.queue.stop();
  await settle();
  assert.equal(device.clock.pending, 0);
});
