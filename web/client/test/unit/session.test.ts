import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryStorage } from "../../src/memory.js";
import { OrganizerSession } from "../../src/organizer-session.js";
import type { SessionOptions } from "../../src/session.js";
import type { ChatView, SessionEvent } from "../../src/session-types.js";
import { chat, FakeClock, FakeNetwork, type FakeSocket, message, settle } from "../fakes.js";

/** One tab: a session, its clock and the sockets it opens. */
class Tab {
  readonly clock: FakeClock;
  readonly storage: MemoryStorage;
  readonly network = new FakeNetwork();
  readonly session: OrganizerSession;
  readonly events: SessionEvent[] = [];
  renewed: string | undefined;
  renewals = 0;

  constructor(options: Partial<SessionOptions> & { clock?: FakeClock; storage?: MemoryStorage } = {}) {
    this.clock = options.clock ?? new FakeClock();
    this.storage = options.storage ?? new MemoryStorage();
    this.session = new OrganizerSession({
      url: "wss://test/connect",
      owner: "participant:31",
      credentials: {
        token: () => this.renewed ?? "participant:t",
        renew: async () => {
          this.renewals += 1;
          return this.renewed;
        },
      },
      random: () => 1,
      WebSocket: this.network.WebSocket,
      ...options,
      clock: this.clock,
      storage: this.storage,
    });
    this.session.subscribe((_, event) => void this.events.push(event));
  }

  get connection() {
    return this.session.snapshot.connection;
  }

  chat(id = "c1"): ChatView {
    const view = this.session.snapshot.chats.find((each) => each.id === id);
    assert(view, `there is no chat ${id}`);
    return view;
  }

  contents(id = "c1"): string[] {
    return this.chat(id).messages.map((each) => `${each.content} (${each.state})`);
  }

  eventsOf(type: SessionEvent["type"]): SessionEvent[] {
    return this.events.filter((event) => event.type === type);
  }
}

/** A tab that is live, with one chat of `count` messages. */
async function live(
  count = 0,
  options?: ConstructorParameters<typeof Tab>[0],
): Promise<{ tab: Tab; socket: FakeSocket }> {
  const tab = new Tab(options);
  await tab.session.start();
  const socket = await tab.network.accept();
  await showChat(socket, count);
  return { tab, socket };
}

async function showChat(socket: FakeSocket, count: number): Promise<void> {
  await socket.receive("chats", { chats: [chat("c1", { lastSeq: count })] });
  if (count) await answerHistory(socket, count);
}

/** Answers the last question for a history as the service does. */
async function answerHistory(socket: FakeSocket, lastSeq: number): Promise<void> {
  const { chatId, afterSeq, limit } = socket.last("get_chat_history").payload as Record<string, number>;
  const messages = [];
  for (let seq = Number(afterSeq) + 1; seq <= lastSeq && messages.length < Number(limit); seq++) {
    messages.push(message(String(chatId), seq));
  }
  await socket.receive("chat_history", { chatId, messages, lastSeq });
}

function saved(socket: FakeSocket, seq: number, clientId?: unknown) {
  const payload = socket.last("send_message").payload;
  return socket.receive("message_saved", {
    ...{ clientId: clientId ?? payload.clientId, chatId: payload.chatId, seq, id: `m${seq}` },
    timeSent: "2026-07-03T18:02:00.000Z",
  });
}

test("the first frame asks for protocol 2, and the session is live when the server is ready", async () => {
  const tab = new Tab();
  await tab.session.start();
  await settle();
  assert.deepEqual(tab.connection, { name: "connecting", attempt: 1 });
  tab.network.last.open();
  assert.deepEqual(tab.network.last.sent, [{ Authorization: "Bearer participant:t", protocol: 2 }]);
  await tab.network.accept();
  assert.deepEqual(tab.connection, { name: "live" });
  assert.equal(tab.network.last.frames("get_chats").length, 1);
  assert.equal(tab.session.snapshot.synced, false);
  await tab.network.last.receive("chats", { chats: [] });
  assert.equal(tab.session.snapshot.synced, true);
});

for (const [code, expected] of [
  [1000, { wait: 1000 }],
  [1001, { wait: 1000 }],
  [1006, { wait: 1000 }],
  [1008, { wait: 30_000 }],
  [1012, { wait: 1500 }],
  [1013, { wait: 1000 }],
  [4000, { ended: "idle" }],
  [4001, { wait: 1500 }],
  [4321, { wait: 1000 }],
  [4500, { ended: "sign-in" }],
  [4501, { ended: "sign-in" }],
  [4502, { ended: "replaced" }],
  [4777, { ended: "refused" }],
] as const) {
  test(`close code ${code}: ${"wait" in expected ? `connect again within ${expected.wait} ms` : expected.ended}`, async () => {
    const { tab, socket } = await live();
    await tab.clock.advance(10_000);
    await socket.drop(code);
    if ("wait" in expected) {
      assert.equal(tab.connection.name, "waiting");
      await tab.clock.advance(expected.wait - 1);
      assert.equal(tab.network.sockets.length, 1);
      await tab.clock.advance(1);
      assert.equal(tab.network.sockets.length, 2);
    } else {
      assert.deepEqual(tab.connection, { name: "ended", reason: expected.ended, code });
      await tab.clock.advance(600_000);
      assert.equal(tab.network.sockets.length, 1);
    }
  });
}

for (const code of [1002, 1007, 1009]) {
  test(`close code ${code} three times in a row means that the client is to be mended`, async () => {
    const { tab } = await live();
    for (let time = 1; time <= 2; time++) {
      await tab.network.last.drop(code);
      assert(tab.connection.name === "waiting");
      await tab.clock.advance(tab.connection.at - tab.clock.now());
      await tab.network.accept();
    }
    await tab.network.last.drop(code);
    assert.deepEqual(tab.connection, { name: "ended", reason: "protocol", code });
  });
}

test("the message that made a frame too large is not sent again", async () => {
  const { tab, socket } = await live();
  await tab.session.send("c1", "x".repeat(300_000));
  await socket.drop(1009);
  assert.equal(tab.chat().messages[0]?.failure?.code, "message_too_large");
  await tab.clock.advance(5000);
  const next = await tab.network.accept();
  await settle();
  assert.equal(next.frames("send_message").length, 0);
});

test("attempts back off to 30 s, and a connection that has lived for 10 s begins anew", async () => {
  const tab = new Tab();
  await tab.session.start();
  const waits: number[] = [];
  for (let attempt = 0; attempt < 7; attempt++) {
    await settle();
    await tab.network.last.drop();
    assert(tab.connection.name === "waiting");
    waits.push(tab.connection.at - tab.clock.now());
    await tab.clock.advance(waits.at(-1) ?? 0);
  }
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  const socket = await tab.network.accept();
  await tab.clock.advance(10_000);
  await socket.drop();
  assert(tab.connection.name === "waiting");
  assert.equal(tab.connection.at - tab.clock.now(), 1000);
});

test("back-off is jittered down to a half", async () => {
  const tab = new Tab({ random: () => 0 });
  await tab.session.start();
  await settle();
  await tab.network.last.drop();
  assert(tab.connection.name === "waiting");
  assert.equal(tab.connection.at - tab.clock.now(), 500);
});

test("a server that does not answer the first frame is given up after 20 s", async () => {
  const tab = new Tab();
  await tab.session.start();
  await settle();
  tab.network.last.open();
  await tab.clock.advance(20_000);
  assert.equal(tab.connection.name, "waiting");
  assert.equal(tab.network.last.closedByClient, true);
});

test("wake connects at once", async () => {
  const { tab, socket } = await live();
  await socket.drop(1008);
  tab.session.wake();
  await settle();
  assert.equal(tab.network.sockets.length, 2);
});

test("wake finds a dead connection within 6 s", async () => {
  const { tab } = await live();
  tab.session.wake();
  await tab.clock.advance(6000);
  assert.equal(tab.connection.name, "waiting");
});

test("a silent connection is asked after 45 s and given up 15 s later", async () => {
  const { tab, socket } = await live();
  await tab.clock.advance(45_000);
  assert.equal(socket.frames("get_chats").length, 2);
  await socket.receive("chats", { chats: [chat("c1")] });
  await tab.clock.advance(45_000 + 14_999);
  assert.equal(tab.connection.name, "live");
  assert.equal(socket.frames("get_chats").length, 3);
  await tab.clock.advance(1);
  assert.equal(tab.connection.name, "waiting");
});

test("a silent connection is found although the clock was put back", async () => {
  const clock = new FakeClock();
  let putBack = 0;
  const now = clock.now.bind(clock);
  clock.now = () => now() - putBack;
  const { tab } = await live(0, { clock });
  putBack = 3_600_000;
  await clock.advance(2 * 45_000 + 15_000);
  assert.equal(tab.connection.name, "waiting");
});

test("an organizer's silent connection is asked after 5 s and given up 6 s later", async () => {
  const tab = new Tab({ owner: "organizer:12" });
  await tab.session.start();
  const socket = await tab.network.accept({ realm: "organizer", id: 12 });
  await socket.receive("chats", { chats: [] });
  await tab.clock.advance(4000);
  await socket.receive("queue_status", { waiting: 1, oldestWaitSeconds: 3 });
  await tab.clock.advance(4999);
  assert.equal(socket.frames("get_chats").length, 1);
  await tab.clock.advance(1);
  assert.equal(socket.frames("get_chats").length, 2);
  await socket.receive("chats", { chats: [] });
  await tab.clock.advance(6000 + 5999);
  assert.equal(socket.frames("get_chats").length, 3);
  assert.equal(tab.connection.name, "live");
  await tab.clock.advance(1);
  assert.equal(tab.connection.name, "waiting");
});

test("the person has to sign in when a token is refused that cannot be renewed", async () => {
  const { tab, socket } = await live();
  tab.renewed = "participant:new";
  await socket.drop(4500);
  tab.network.last.open();
  assert.equal(tab.network.last.sent[0]?.Authorization, "Bearer participant:new");
  await tab.network.last.drop(4500);
  assert.deepEqual(tab.connection, { name: "ended", reason: "sign-in", code: 4500 });
  assert.equal(tab.renewals, 2, "there is no other token");
});

test("a token that is refused like the one before it is replaced as well, after a while", async () => {
  const { tab, socket } = await live();
  tab.renewed = "participant:second";
  await socket.drop(4501);
  tab.network.last.open();
  tab.renewed = "participant:third";
  await tab.network.last.drop(4500);
  assert(tab.connection.name === "waiting");
  await tab.clock.advance(tab.connection.at - tab.clock.now());
  tab.network.last.open();
  assert.equal(tab.network.last.sent[0]?.Authorization, "Bearer participant:third");
});

test("a session that has ended for silence connects when there is something to say", async () => {
  const { tab, socket } = await live();
  await socket.drop(4000);
  await tab.session.send("c1", "still here");
  const next = await tab.network.accept();
  assert.equal(next.last("send_message").payload.message, "still here");
});

test("a long history is asked for in parts, after the last number", async () => {
  const { tab, socket } = await live(120);
  await answerHistory(socket, 120);
  assert.equal(tab.chat().complete, false);
  await answerHistory(socket, 120);
  assert.deepEqual(
    socket.frames("get_chat_history").map(({ payload }) => payload.afterSeq),
    [0, 50, 100],
  );
  assert.equal(tab.chat().complete, true);
  assert.deepEqual(
    tab.chat().messages.map(({ seq }) => seq),
    Array.from({ length: 120 }, (_, index) => index + 1),
  );
  assert(tab.eventsOf("message").every((event) => event.type === "message" && !event.isNew));
});

test("a gap is filled before what follows it is shown, and nothing is shown twice", async () => {
  const { tab, socket } = await live(2);
  await socket.receive("user_message", message("c1", 3));
  await socket.receive("user_message", message("c1", 3));
  await socket.receive("user_message", message("c1", 6));
  assert.deepEqual(
    tab.chat().messages.map(({ seq }) => seq),
    [1, 2, 3],
  );
  assert.equal(socket.last("get_chat_history").payload.afterSeq, 3);
  await answerHistory(socket, 6);
  assert.deepEqual(
    tab.chat().messages.map(({ seq }) => seq),
    [1, 2, 3, 4, 5, 6],
  );
  const isNew = tab.eventsOf("message").map((event) => event.type === "message" && event.isNew);
  assert.deepEqual(isNew, [false, false, true, true, true, true]);
});

test("after resync chats are asked for, and the history of each after its last number", async () => {
  const { tab, socket } = await live(2);
  await socket.receive("resync");
  assert.equal(socket.frames("get_chats").length, 2);
  await socket.receive("chats", { chats: [chat("c1", { lastSeq: 4 })] });
  assert.equal(socket.last("get_chat_history").payload.afterSeq, 2);
  await answerHistory(socket, 4);
  assert.equal(tab.chat().messages.length, 4);
});

test("a new connection resumes after the last number", async () => {
  const { tab, socket } = await live(3);
  await socket.drop(1012);
  await tab.clock.advance(1500);
  const next = await tab.network.accept();
  await next.receive("chats", { chats: [chat("c1", { lastSeq: 5 })] });
  assert.equal(next.last("get_chat_history").payload.afterSeq, 3);
  await answerHistory(next, 5);
  assert.equal(tab.chat().messages.length, 5);
});

test("a history that the service cannot give now is asked for again", async () => {
  const tab = new Tab();
  await tab.session.start();
  const socket = await tab.network.accept();
  await socket.receive("error", { message: "could not get chats", code: "unavailable", retryAfterSeconds: 2 });
  await tab.clock.advance(3000);
  await socket.receive("chats", { chats: [chat("c1", { lastSeq: 1 })] });
  await socket.receive("error", { message: "could not get messages", code: "unavailable", retryAfterSeconds: 1 });
  await tab.clock.advance(1500);
  await answerHistory(socket, 1);
  assert.equal(tab.chat().complete, true);
  assert.deepEqual(tab.eventsOf("error"), []);
});

test("a service that does not give what it promises is not asked for ever", async () => {
  const tab = new Tab();
  await tab.session.start();
  const socket = await tab.network.accept();
  await socket.receive("chats", { chats: [chat("c1", { lastSeq: 3 })] });
  await socket.receive("chat_history", { chatId: "c1", messages: [], lastSeq: 3 });
  await tab.clock.advance(10_000);
  assert.equal(socket.frames("get_chat_history").length, 1);
});

test("a service that was restored from a copy is believed", async () => {
  const { tab, socket } = await live(5);
  await socket.receive("resync");
  await socket.receive("chats", { chats: [chat("c1", { lastSeq: 2 })] });
  assert.equal(socket.last("get_chat_history").payload.afterSeq, 0);
  await answerHistory(socket, 2);
  assert.equal(tab.chat().messages.length, 2);
});

test("a message is stored on the device before it is shown, and shown before it is sent", async () => {
  const order: string[] = [];
  const storage = new MemoryStorage();
  const set = storage.set.bind(storage);
  storage.set = async (key, value) => {
    await set(key, value);
    if (key.startsWith("outbox/")) order.push("stored");
  };
  const { tab, socket } = await live(0, { storage });
  tab.session.subscribe(({ chats }) => {
    const state = chats[0]?.messages[0]?.state;
    if (state && state !== order.at(-1)) order.push(state);
  });
  await tab.session.send("c1", "hello", { lat: 1, lng: 2 });
  await saved(socket, 1);
  await socket.receive("read", { chatId: "c1", seq: 1, fromOrganizer: 1 });
  assert.deepEqual(order, ["stored", "queued", "sending", "saved", "read"]);
  const { clientId: _, ...payload } = socket.last("send_message").payload;
  assert.deepEqual(payload, { chatId: "c1", message: "hello", lat: 1, lng: 2 });
  assert.deepEqual(await tab.storage.list("outbox/"), []);
});

test("a message keeps its key from the first moment on, whichever answer comes first", async () => {
  for (const eventFirst of [true, false]) {
    const { tab, socket } = await live();
    const clientId = await tab.session.send("c1", "hello");
    const key = tab.chat().messages[0]?.key;
    const event = message("c1", 1, { authorId: 31, fromOrganizer: 0, content: "hello", clientId });
    if (eventFirst) await socket.receive("user_message", event);
    await saved(socket, 1);
    if (!eventFirst) await socket.receive("user_message", event);
    assert.deepEqual(
      tab.chat().messages.map((each) => each.key),
      [key],
    );
    assert.equal(tab.chat().messages[0]?.mine, true);
    assert.deepEqual(tab.contents(), ["hello (saved)"]);
    assert.equal(tab.eventsOf("saved").length, 1);
  }
});

test("messages of a chat are sent one after the other; another chat does not wait", async () => {
  const tab = new Tab();
  await tab.session.start();
  const socket = await tab.network.accept();
  await socket.receive("chats", { chats: [chat("c1"), chat("c2")] });
  for (const text of ["1", "2", "3"]) await tab.session.send("c1", text);
  await tab.session.send("c2", "other");
  const sent = () => socket.frames("send_message").map(({ payload }) => payload.message);
  assert.deepEqual(sent(), ["1", "other"]);
  await saved(socket, 1, socket.frames("send_message")[0]?.payload.clientId);
  assert.deepEqual(sent(), ["1", "other"], "the answer named chat c2");
});

test("an unanswered message is sent again over the next connection, with the same clientId and in order", async () => {
  const { tab, socket } = await live();
  await tab.session.send("c1", "1");
  await tab.session.send("c1", "2");
  const { clientId } = socket.last("send_message").payload;
  await socket.drop();
  assert.deepEqual(tab.contents(), ["1 (queued)", "2 (queued)"]);
  await tab.clock.advance(1000);
  const next = await tab.network.accept();
  assert.equal(next.last("send_message").payload.clientId, clientId);
  await saved(next, 1);
  assert.equal(next.last("send_message").payload.message, "2");
  await saved(next, 2);
  assert.deepEqual(tab.contents(), ["1 (saved)", "2 (saved)"]);
});

test("a message whose answer was dropped is sent again after 30 s", async () => {
  const { tab, socket } = await live();
  await tab.session.send("c1", "1");
  for (let time = 0; time < 3; time++) {
    await tab.clock.advance(10_000);
    await socket.receive("queue_position", { eventId: 9, position: 1, estimatedWaitSeconds: -1 });
  }
  const [first, second] = socket.frames("send_message");
  assert.equal(second?.payload.clientId, first?.payload.clientId);
});

test("what was not sent survives a reload, in order", async () => {
  const { tab, socket } = await live();
  await socket.drop();
  const ids = [await tab.session.send("c1", "1"), await tab.session.send("c1", "2")];
  tab.session.stop();
  const again = await live(0, { storage: tab.storage });
  assert.deepEqual(again.tab.contents(), ["1 (sending)", "2 (queued)"]);
  await saved(again.socket, 1);
  await saved(again.socket, 2);
  assert.deepEqual(
    again.socket.frames("send_message").map(({ payload }) => payload.clientId),
    ids,
  );
  assert.deepEqual(await tab.storage.list("outbox/"), []);
});

test("two tabs send the same message, and neither shows it twice", async () => {
  const storage = new MemoryStorage();
  const one = await live(0, { storage });
  const clientId = await one.tab.session.send("c1", "1");
  const two = await live(0, { storage });
  assert.equal(two.socket.last("send_message").payload.clientId, clientId);
  for (const { socket } of [one, two]) {
    await saved(socket, 1);
    await socket.receive("user_message", message("c1", 1, { authorId: 31, fromOrganizer: 0, content: "1", clientId }));
  }
  assert.deepEqual([one.tab.contents(), two.tab.contents()], [["1 (saved)"], ["1 (saved)"]]);
  assert.deepEqual(await storage.list("outbox/"), []);
});

test("a message that has its place before it is read from the device is not shown twice", async () => {
  const storage = new MemoryStorage();
  const one = await live(0, { storage });
  const two = new Tab({ storage });
  await two.session.start();
  const clientId = await one.tab.session.send("c1", "1");
  // Storage is slow, and the other tab sends the message meanwhile.
  const read = storage.list.bind(storage);
  let go = () => {};
  storage.list = async <T>(prefix: string) => {
    const found = await read<T>(prefix);
    await new Promise<void>((resolve) => {
      go = resolve;
    });
    return found;
  };
  const socket = await two.network.accept();
  await showChat(socket, 0);
  await saved(one.socket, 1);
  await socket.receive("user_message", message("c1", 1, { authorId: 31, fromOrganizer: 0, content: "1", clientId }));
  go();
  await settle();
  await saved(socket, 1);
  assert.deepEqual(two.contents(), ["1 (saved)"]);
});

test("another tab's message that is stored leaves this tab's queue", async () => {
  const storage = new MemoryStorage();
  const one = await live(0, { storage });
  const clientId = await one.tab.session.send("c1", "1");
  const two = new Tab({ storage });
  await two.session.start();
  await one.socket.receive(
    "user_message",
    message("c1", 1, { authorId: 31, fromOrganizer: 0, content: "1", clientId }),
  );
  await showChat(await two.network.accept(), 0);
  assert.deepEqual(await storage.list("outbox/"), []);
});

test("a message is held for as long as the service says, and what follows it waits", async () => {
  const { tab, socket } = await live();
  await tab.session.send("c1", "1");
  await tab.session.send("c1", "2");
  const { clientId } = socket.last("send_message").payload;
  await socket.receive("error", { code: "rate_limited", message: "too many messages", clientId, retryAfterSeconds: 2 });
  assert.deepEqual(tab.contents(), ["1 (queued)", "2 (queued)"]);
  await tab.clock.advance(1999);
  assert.equal(socket.frames("send_message").length, 1);
  await tab.clock.advance(501);
  assert.equal(socket.last("send_message").payload.clientId, clientId);
});

test("a message that is refused for good has failed, does not block the next, and can be sent again", async () => {
  const { tab, socket } = await live();
  const clientId = await tab.session.send("c1", "1");
  await tab.session.send("c1", "2");
  await socket.receive("error", { code: "message_too_large", message: "message too large", clientId });
  assert.deepEqual(tab.contents(), ["1 (failed)", "2 (sending)"]);
  assert.equal(tab.eventsOf("failed").length, 1);
  await saved(socket, 1);
  await tab.session.retry(clientId);
  assert.equal(socket.last("send_message").payload.clientId, clientId);
  await socket.receive("error", { code: "message_too_large", message: "message too large", clientId });
  tab.session.discard(clientId);
  assert.deepEqual(tab.contents(), ["2 (saved)"]);
  assert.deepEqual(await tab.storage.list("outbox/"), []);
});

test("when a chat is closed, what was not sent in it fails, and the chat can be forgotten", async () => {
  const { tab, socket } = await live();
  await tab.session.send("c1", "1");
  await socket.receive("closed_chat", { chatId: "c1" });
  assert.equal(tab.chat().state, "closed");
  assert.equal(tab.chat().messages[0]?.failure?.code, "closed");
  tab.session.forget("c1");
  assert.deepEqual(tab.session.snapshot.chats, []);
  assert.deepEqual(await tab.storage.list(""), []);
});

test("a chat that was closed while the session was away is shown as closed", async () => {
  const { tab, socket } = await live();
  await socket.receive("resync");
  await socket.receive("chats", { chats: [] });
  assert.equal(tab.chat().state, "closed");
  assert.equal(tab.eventsOf("closed_chat").length, 1);
});

test("a message that arrives before its chat is known leads to the chat", async () => {
  const { tab, socket } = await live();
  await socket.receive("user_message", message("c2", 1));
  await socket.receive("chats", { chats: [chat("c1"), chat("c2", { lastSeq: 1 })] });
  await answerHistory(socket, 1);
  assert.equal(tab.chat("c2").messages.length, 1);
});

test("read marks go out once a second at most, again after a reconnect, and never back", async () => {
  const { tab, socket } = await live(3);
  assert.equal(tab.chat().unread, 3);
  tab.session.markRead("c1", 1);
  tab.session.markRead("c1", 2);
  tab.session.markRead("c1");
  tab.session.markRead("c1", 1);
  const sent = (each: FakeSocket) => each.frames("read").map(({ payload }) => payload.seq);
  assert.deepEqual(sent(socket), [1]);
  await tab.clock.advance(1000);
  assert.deepEqual(sent(socket), [1, 3]);
  assert.equal(tab.chat().unread, 0);
  await socket.drop();
  await tab.clock.advance(1000);
  const next = await tab.network.accept();
  await next.receive("chats", { chats: [chat("c1", { lastSeq: 3, ownReadSeq: 1 })] });
  assert.deepEqual(sent(next), [3]);
});

test("typing goes out every 2 s at most, and is shown for 5 s", async () => {
  const { tab, socket } = await live();
  tab.session.typing("c1");
  tab.session.typing("c1");
  await tab.clock.advance(2000);
  tab.session.typing("c1");
  assert.equal(socket.frames("typing").length, 2);
  await socket.receive("typing", { chatId: "c1", authorId: 12, fromOrganizer: 1 });
  await tab.clock.advance(4999);
  assert.equal(tab.chat().typing, true);
  await tab.clock.advance(1);
  assert.equal(tab.chat().typing, false);
  await socket.receive("typing", { chatId: "c1", authorId: 12, fromOrganizer: 1 });
  await socket.receive("user_message", message("c1", 1));
  assert.equal(tab.chat().typing, false);
});

test("a participant sees the place in the queue until the chat starts", async () => {
  const { tab, socket } = await live();
  await socket.receive("queue_position", { eventId: 9, position: 2, estimatedWaitSeconds: 40 });
  assert.deepEqual(tab.session.snapshot.positions, [{ eventId: 9, position: 2, estimatedWaitSeconds: 40 }]);
  await socket.receive("new_chat", chat("c2"));
  assert.deepEqual(tab.session.snapshot.positions, []);
});

test("a place in the queue can be forgotten", async () => {
  const { tab, socket } = await live();
  await socket.receive("queue_position", { eventId: 9, position: 2, estimatedWaitSeconds: 40 });
  tab.session.forgetPosition(9);
  assert.deepEqual(tab.session.snapshot.positions, []);
});

test("a requeued and then transferred chat stays one chat for the participant", async () => {
  const { tab, socket } = await live(1);
  await socket.receive("chat_requeued", { chatId: "c1", organizerId: 12 });
  assert.equal(tab.chat().state, "waiting");
  await socket.receive("new_chat", chat("c1", { organizerId: 13, lastSeq: 1 }));
  assert.deepEqual([tab.chat().state, tab.chat().organizerId], ["active", 13]);
  await socket.receive("chat_transferred", { chatId: "c1", fromOrganizerId: 13, organizerId: 14 });
  assert.deepEqual([tab.chat().state, tab.chat().organizerId], ["active", 14]);
  assert.equal(tab.chat().messages.length, 1);
});

async function organizer() {
  const tab = new Tab();
  await tab.session.start();
  const socket = await tab.network.accept({ realm: "organizer", id: 12, agencyId: 4, role: 4 });
  await socket.receive("chats", { chats: [] });
  return { tab, socket };
}

test("an organizer who waits for a chat goes on waiting over a new connection", async () => {
  const { tab, socket } = await organizer();
  const answer = tab.session.startChat(true);
  await socket.receive("info", { message: "no new chats", code: "waiting" });
  assert.equal(await answer, "waiting");
  assert.equal(tab.session.snapshot.waitingForChat, true);
  await socket.drop();
  assert.equal(tab.session.snapshot.waitingForChat, false);
  await tab.clock.advance(1000);
  const next = await tab.network.accept({ realm: "organizer", id: 12, agencyId: 4, role: 4 });
  await next.receive("chats", { chats: [] });
  assert.deepEqual(next.last("start_chat").payload, { wait: true });
  await next.receive("new_chat", chat("c1"));
  assert.equal(tab.session.snapshot.waitingForChat, false);
});

test("chats that an organizer got while the connection was down are new, oldest first, and end the waiting", async () => {
  const { tab, socket } = await organizer();
  void tab.session.startChat(true);
  await socket.receive("info", { message: "no new chats", code: "waiting" });
  await socket.drop();
  await tab.clock.advance(1000);
  const next = await tab.network.accept({ realm: "organizer", id: 12, agencyId: 4, role: 4 });
  const chats = () => [chat("c2", { timeStart: "2026-07-03T18:30:00.000Z" }), chat("c1")];
  await next.receive("chats", { chats: chats() });
  const newChats = () => tab.eventsOf("new_chat").map((event) => "chatId" in event && event.chatId);
  assert.deepEqual(newChats(), ["c1", "c2"]);
  assert.equal(next.frames("start_chat").length, 0);
  await next.receive("resync");
  await next.receive("chats", { chats: chats() });
  assert.equal(newChats().length, 2);
  await next.receive("chat_requeued", { chatId: "c1", organizerId: 12 });
  await next.receive("resync");
  await next.receive("chats", { chats: chats() });
  assert.deepEqual(newChats(), ["c1", "c2", "c1"]);
});

test("chats that were open before the first connection are not new", async () => {
  const tab = new Tab();
  await tab.session.start();
  const socket = await tab.network.accept({ realm: "organizer", id: 12, agencyId: 4, role: 4 });
  await socket.receive("chats", { chats: [chat("c1")] });
  assert.equal(tab.chat().state, "active");
  assert.deepEqual(tab.eventsOf("new_chat"), []);
});

test("after a reconnect the session is synced only once the chats were read over the new connection", async () => {
  const { tab, socket } = await live(1);
  assert.equal(tab.session.snapshot.synced, true);
  await socket.drop();
  await tab.clock.advance(1000);
  const next = await tab.network.accept();
  assert.deepEqual(tab.connection, { name: "live" });
  assert.equal(tab.session.snapshot.synced, false);
  await next.receive("chats", { chats: [chat("c1", { lastSeq: 2 })] });
  assert.equal(tab.session.snapshot.synced, false);
  await answerHistory(next, 2);
  assert.equal(tab.session.snapshot.synced, true);
});

test("an organizer goes on waiting although the service is too busy for it at first", async () => {
  const { tab, socket } = await organizer();
  void tab.session.startChat(true);
  await socket.receive("info", { message: "no new chats", code: "waiting" });
  await socket.drop(1012);
  await tab.clock.advance(1500);
  const next = await tab.network.accept({ realm: "organizer", id: 12, agencyId: 4, role: 4 });
  await next.receive("chats", { chats: [] });
  await next.receive("error", { message: "overloaded", code: "unavailable", retryAfterSeconds: 2 });
  await tab.clock.advance(2000);
  assert.equal(next.frames("start_chat").length, 2);
  await next.receive("info", { message: "no new chats", code: "waiting" });
  assert.equal(tab.session.snapshot.waitingForChat, true);
});

test("an organizer's questions are answered or refused, each by its own answer", async () => {
  const { tab, socket } = await organizer();
  const none = tab.session.startChat();
  await socket.receive("info", { message: "no new chats", code: "no_new_chats" });
  assert.equal(await none, "none");
  const refused = assert.rejects(tab.session.closeChat("c9"), { code: "no_access" });
  await socket.receive("error", { code: "no_access", message: "you have no access to chat c1" });
  assert.equal(tab.eventsOf("error").length, 1, "an error about another chat is not the answer");
  await socket.receive("error", { code: "no_access", message: "you have no access to chat c9" });
  await refused;
  const lost = assert.rejects(tab.session.transferChat("c1", 13), { code: "disconnected" });
  await socket.drop();
  await lost;
  await assert.rejects(tab.session.closeChat("c1"), { code: "disconnected" });
});

test("an organizer loses a chat that goes to a colleague or back to the queue", async () => {
  const { tab, socket } = await organizer();
  await socket.receive("new_chat", chat("c1"));
  await socket.receive("new_chat", chat("c2"));
  await socket.receive("chat_transferred", { chatId: "c1", fromOrganizerId: 12, organizerId: 13 });
  await socket.receive("chat_requeued", { chatId: "c2", organizerId: 12 });
  assert.deepEqual([tab.chat("c1").state, tab.chat("c2").state], ["closed", "closed"]);
});

test("every listener is told the same events in the same order, also when one of them causes events", async () => {
  const { tab, socket } = await live(1);
  const [first, second]: [string[], string[]] = [[], []];
  tab.session.subscribe((_, event) => {
    first.push(event.type);
    if (event.type === "typing") tab.session.markRead("c1");
  });
  tab.session.subscribe((_, event) => void second.push(event.type));
  await socket.receive("typing", { chatId: "c1", authorId: 12, fromOrganizer: 1 });
  assert.deepEqual(first, ["typing", "update"]);
  assert.deepEqual(second, first);
});

test("a snapshot does not change, and what has not changed is the same object in the next", async () => {
  const { tab, socket } = await live(2);
  await socket.receive("new_chat", chat("c2"));
  const before = tab.session.snapshot;
  const [message1] = tab.chat("c1").messages;
  await socket.receive("user_message", message("c1", 3));
  assert.equal(before.chats.find(({ id }) => id === "c1")?.messages.length, 2);
  assert.equal(
    tab.chat("c2"),
    before.chats.find(({ id }) => id === "c2"),
  );
  assert.equal(tab.chat("c1").messages[0], message1);
});

test("a kept chat can be read without a network after a reload, and resumes where it was", async () => {
  const { tab } = await live(2, { keepChats: true });
  await tab.clock.advance(1000);
  tab.session.stop();
  const again = new Tab({ storage: tab.storage, keepChats: true });
  await again.session.start();
  assert.deepEqual(again.contents(), ["message 1 (saved)", "message 2 (saved)"]);
  const socket = await again.network.accept();
  await socket.receive("chats", { chats: [chat("c1", { lastSeq: 3 })] });
  assert.equal(socket.last("get_chat_history").payload.afterSeq, 2);
});

test("a session that is stopped while it loads does not connect", async () => {
  const tab = new Tab();
  const started = tab.session.start();
  tab.session.stop();
  await started;
  await settle();
  assert.deepEqual(tab.connection, { name: "ended", reason: "stopped" });
  assert.equal(tab.network.sockets.length, 0);
});

test("a stopped session leaves no timer behind and does not come back", async () => {
  const { tab, socket } = await live(1, { keepChats: true });
  await tab.session.send("c1", "1");
  await socket.receive("typing", { chatId: "c1", authorId: 12, fromOrganizer: 1 });
  tab.session.stop();
  assert.equal(tab.clock.pending, 0);
  assert.deepEqual(tab.connection, { name: "ended", reason: "stopped" });
});
