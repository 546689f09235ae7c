import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { MemoryStorage, MessengerApi } from "../../src/index.js";
import { contents, Device, organizer, System, takeChat, until, untilMessages } from "./system.js";

let system: System;
before(async () => {
  system = await System.up();
});
after(() => system?.down());

test("a guest presses, a team member takes it, they talk, and the chat is closed", async () => {
  const team = await organizer(system);
  const device = new Device(system);
  const steps: string[] = [];
  device.queue.subscribe(() => {
    const step = device.press()?.step;
    if (step && step !== steps.at(-1)) steps.push(step);
  });
  await device.queue.start();
  const pressed = await device.queue.press(system.event, { kind: "medical", description: "Somebody has fainted" });
  const person = await device.session();
  await until(device.queue, "the place is known", () => device.press()?.position === 1);
  const chatId = await takeChat(team);
  await device.untilStep("taken");
  const { chats } = await until(team, "the first message is there", (now) => contents(now, chatId, false).length > 0);
  assert.match(contents(team.snapshot, chatId)[0] ?? "", /Somebody has fainted/);
  assert.equal(chats.find(({ id }) => id === chatId)?.chat.eventId, system.event);
  team.markRead(chatId);
  await device.untilStep("read");
  team.typing(chatId);
  await until(person, "the team is typing", (now) => now.chats.some(({ typing }) => typing));
  await team.send(chatId, "Where are you?");
  await untilMessages(person, chatId, false, [...contents(team.snapshot, chatId, false), "Where are you?"].slice(-1));
  await person.send(chatId, "By the north gate", { lat: 50.061517, lng: 19.941283 });
  const shown = await until(team, "the position is there", (now) =>
    now.chats.some(({ messages }) => messages.some(({ lat, lng }) => lat === 50.061517 && lng === 19.941283)),
  );
  assert.equal(contents(shown, chatId).at(-1), "By the north gate");
  await team.closeChat(chatId);
  await device.untilStep("ended");
  const archive = new MessengerApi({ baseUrl: system.ready.messenger, credentials: device.account });
  assert.equal((await archive.participantChats())[0]?.id, chatId);
  assert.equal((await archive.participantMessages(chatId)).at(-1)?.content, "By the north gate");
  assert.deepEqual(steps, ["kept", "sent", "safe", "waiting", "taken", "read", "ended"]);
  assert.equal(device.press()?.clientId, pressed.clientId);
  device.close();
  team.stop();
});

test("a press without network is sent once there is one, once, with its own time", async () => {
  const storage = new MemoryStorage();
  const before = new Device(system, storage);
  await before.queue.start();
  before.network.isOn = false;
  const pressed = await before.queue.press(system.event);
  await until(before.queue, "the attempt has failed", () => before.press()?.failure?.status === 0);
  // The page is closed and opened in between, and then answers are lost.
  before.close();
  const device = new Device(system, storage);
  device.network.losesAnswers = true;
  await device.queue.start();
  await until(device.queue, "no answer has come", () => device.press()?.failure?.status === 0);
  device.network.losesAnswers = false;
  device.queue.wake();
  await device.untilStep("waiting");
  const requests = await device.account.api.myRequests();
  assert.deepEqual(
    requests.map(({ clientId, pressedAt }) => ({ clientId, pressedAt: Date.parse(pressedAt) })),
    [{ clientId: pressed.clientId, pressedAt: Date.parse(pressed.pressedAt) }],
  );
  assert(Date.parse(requests[0]?.receivedAt ?? "") > Date.parse(pressed.pressedAt));
  // The same again changes nothing.
  const { clientId, eventId, pressedAt } = pressed;
  const again = await device.account.api.press({ clientId, eventId, pressedAt });
  assert.equal(again.receivedAt, requests[0]?.receivedAt);
  await device.queue.cancel(system.event);
  await device.untilStep("ended");
  assert.deepEqual(await device.account.api.myRequests(), []);
  device.close();
});

test("what was not said at the press is added while the request waits", async () => {
  const device = new Device(system);
  await device.queue.start();
  await device.queue.press(system.event);
  await device.untilStep("waiting");
  await device.queue.addDetails(system.event, { kind: "lost", description: "I have lost my child" });
  await until(device.queue, "the details are there", () => device.press()?.detailsPending === false);
  const team = await organizer(system);
  const chatId = await takeChat(team);
  await until(team, "the first message is there", (now) => contents(now, chatId).length > 0);
  assert.match(contents(team.snapshot, chatId)[0] ?? "", /I have lost my child/);
  await team.closeChat(chatId);
  team.stop();
  device.close();
});

test("a guest who signs up keeps the request", async () => {
  const device = new Device(system);
  await device.queue.start();
  await device.queue.press(system.event);
  await device.untilStep("waiting");
  const guest = device.account.snapshot.user;
  const email = `guest-who-stays-${Date.now()}@example.org`;
  const user = await device.account.signUp({ email, password: "a long password" });
  assert.deepEqual([user.id, user.email], [guest?.id, email]);
  assert.equal((await device.account.api.myRequests()).length, 1);
  await device.queue.cancel(system.event);
  await device.untilStep("ended");
  device.close();
});

test("two devices of one person are in the same chat", async () => {
  const [one, two] = [new Device(system), new Device(system)];
  const person = { email: `two-devices-${Date.now()}@example.org`, password: "a long password" };
  await one.account.signUp(person);
  await two.account.signIn(person);
  await one.queue.start();
  await two.queue.start();
  await one.queue.press(system.event, { description: "I am hurt" });
  await one.untilStep("waiting");
  // Pressed on both: it is one request.
  await two.queue.press(system.event);
  await two.untilStep("waiting");
  assert.equal((await two.account.api.myRequests()).length, 1);
  const [left, right] = [await one.session(), await two.session()];
  const team = await organizer(system);
  const chatId = await takeChat(team);
  await Promise.all([one.untilStep("taken"), two.untilStep("taken")]);
  await left.send(chatId, "from the first");
  await untilMessages(right, chatId, true, [...contents(left.snapshot, chatId, true)]);
  await right.send(chatId, "from the second");
  await until(left, "the second's message", (now) => contents(now, chatId, true).at(-1) === "from the second");
  await until(
    team,
    "both messages",
    (now) => contents(now, chatId, false).slice(-2).join() === "from the first,from the second",
  );
  await team.closeChat(chatId);
  await Promise.all([one.untilStep("ended"), two.untilStep("ended")]);
  team.stop();
  one.close();
  two.close();
});

test("what was written without network is sent after a reload, and two tabs do not double it", async () => {
  const storage = new MemoryStorage();
  const before = new Device(system, storage);
  await before.queue.start();
  await before.queue.press(system.event);
  const session = await before.session({ keepChats: true });
  const team = await organizer(system);
  const chatId = await takeChat(team);
  await before.untilStep("taken");
  before.network.cut();
  for (const text of ["one", "two", "three"]) await session.send(chatId, text);
  assert.deepEqual(contents(session.snapshot, chatId, true), ["one", "two", "three"]);
  before.close();
  const tabs = [new Device(system, storage), new Device(system, storage)];
  const sessions = await Promise.all(tabs.map((tab) => tab.session({ keepChats: true })));
  for (const tab of sessions) await untilMessages(tab, chatId, true, ["one", "two", "three"]);
  await untilMessages(team, chatId, false, ["one", "two", "three"]);
  assert.deepEqual(await storage.list("outbox/"), []);
  await team.closeChat(chatId);
  team.stop();
  for (const tab of tabs) tab.close();
});

test("a signed-out token ends the session, and the person has to sign in", async () => {
  const device = new Device(system);
  await device.account.signUp({ email: `signs-out-${Date.now()}@example.org`, password: "a long password" });
  const session = await device.session();
  await until(session, "the session is live", ({ synced }) => synced);
  await device.account.api.signOut();
  const { connection } = await until(session, "the session has ended", (now) => now.connection.name === "ended");
  assert.equal(connection.name === "ended" && connection.reason, "sign-in");
  assert.equal(device.account.snapshot.mustSignIn, true);
  device.close();
});
