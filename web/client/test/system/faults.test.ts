import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { OrganizerSession, Session } from "../../src/index.js";
import { Device, organizer, System, takeChat, until, untilMessages } from "./system.js";

let system: System;
before(async () => {
  system = await System.up("--sidecars", "2");
});
after(() => system?.down());

/** A chat whose two sides are connected to the two sidecars, and texts from both sides while something breaks. */
async function talkWhile(breakSomething: (person: Session, team: OrganizerSession) => Promise<void>): Promise<void> {
  const device = new Device(system);
  await device.queue.start();
  await device.queue.press(system.event);
  const person = await device.session({ url: system.socket(0) });
  const team = await organizer(system, { url: system.socket(1) });
  const chatId = await takeChat(team);
  await device.untilStep("taken");
  const [asked, answered]: [string[], string[]] = [[], []];
  const talk = async (texts: number) => {
    for (let text = 1; text <= texts; text++) {
      asked.push(`question ${asked.length + 1}`);
      answered.push(`answer ${answered.length + 1}`);
      await person.send(chatId, asked.at(-1) ?? "");
      await team.send(chatId, answered.at(-1) ?? "");
    }
  };
  await talk(2);
  const broken = breakSomething(person, team);
  await talk(5);
  await broken;
  await talk(2);
  await Promise.all([
    untilMessages(person, chatId, true, asked),
    untilMessages(person, chatId, false, answered),
    untilMessages(team, chatId, true, answered),
    untilMessages(team, chatId, false, asked),
  ]);
  await team.closeChat(chatId);
  await device.untilStep("ended");
  team.stop();
  device.close();
}

test("a killed sidecar loses and doubles no message, and its clients come back", async () => {
  await talkWhile(async (person) => {
    const lost = until(person, "the connection is lost", ({ connection }) => connection.name !== "live");
    system.kill("sidecar-1");
    await lost;
    await until(person, "the connection is back", ({ connection }) => connection.name === "live");
  });
});

test("a restart of Redis loses and doubles no message", async () => {
  await talkWhile(async () => system.kill("redis"));
});

test("a press while the participant's network comes and goes is one request", async () => {
  const device = new Device(system);
  await device.queue.start();
  device.network.losesAnswers = true;
  await device.queue.press(system.event);
  await until(device.queue, "no answer has come", () => device.press()?.failure?.status === 0);
  device.network.isOn = false;
  device.network.losesAnswers = false;
  device.queue.wake();
  device.network.isOn = true;
  device.queue.wake();
  await device.untilStep("waiting");
  assert.equal((await device.account.api.myRequests()).length, 1);
  await device.queue.cancel(system.event);
  await device.untilStep("ended");
  device.close();
});
