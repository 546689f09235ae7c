import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ApiError, MessengerApi, type OrganizerApi } from "../../src/index.js";
import { System } from "./system.js";

let system: System;
let owner: OrganizerApi;
let token: string;
before(async () => {
  system = await System.up();
  token = (await system.organizerApi().signIn(system.ready.demo.owner)).token;
  owner = system.organizerApi(token);
});
after(() => system?.down());

test("rows of each kind are made, read, listed, edited and deleted", async () => {
  const times = { timeStart: "2030-05-01T10:00", timeEnd: "2030-05-01T23:00" };
  const place = { address: "Rynek 1", lat: 50.06, lng: 19.94 };
  const event = await owner.events.create({
    name: `Rock night ${Date.now()}`,
    description: "Loud",
    ...place,
    ...times,
  });
  assert.equal((await owner.events.get(event.id)).timeStart, "2030-05-01T10:00:00.000Z");
  assert.equal((await owner.events.edit(event.id, { description: "Louder" })).description, "Louder");
  const contact = await owner.contacts.create({
    ...{ firstName: "Ada", lastName: "Nowak", email: "ada@example.org", phoneNumber: "+48123456789" },
    ...{ additionalNotes: "", eventId: event.id },
  });
  assert.deepEqual((await owner.contacts.list({ eventId: event.id })).items, [contact]);
  const issue = await owner.issues.create({ name: "Gate", description: "Stuck", priority: "high", eventId: event.id });
  assert.equal((await owner.issues.edit(issue.id, { status: "resolved" })).status, "resolved");
  const comment = await owner.comments.create({ content: "On it", issueId: issue.id });
  assert.deepEqual((await owner.comments.list({ issueId: issue.id })).items, [comment]);
  const { items } = await owner.changelogs.list();
  const logged = items.filter((entry) => entry.entityClass === "Comment").at(-1);
  assert.equal(JSON.parse(logged?.valueAfter ?? "{}").content, "On it");
  assert.equal((await owner.events.delete(event.id)).id, event.id);
  await assert.rejects(owner.events.get(event.id), { status: 404, temporary: false });
});

test("an event gets a plan of its venue, and loses it", async () => {
  const { event } = system;
  const plan = { image: "data:image/png;base64,iVBORw0KGgo=", north: 50.07, south: 50.05, east: 19.95, west: 19.9 };
  await owner.setPlan(event, plan);
  const shown = await owner.plan(event);
  assert.deepEqual({ ...shown, ...plan }, shown);
  assert.equal((await owner.events.get(event)).hasPlan, true);
  await owner.deletePlan(event);
  await assert.rejects(owner.plan(event), { status: 404 });
  assert.equal((await owner.events.get(event)).hasPlan, undefined);
});

test("a list comes in pages, and each leads to the next", async () => {
  const all = (await owner.changelogs.list()).items.map(({ id }) => id);
  const paged: number[] = [];
  let next: string | undefined;
  do {
    const page = await owner.changelogs.list({ limit: 2, ...(next && { cursor: next }) });
    assert(page.items.length <= 2);
    paged.push(...page.items.map(({ id }) => id));
    next = page.next;
  } while (next);
  assert.deepEqual(new Set(paged), new Set(all));
  assert.equal(paged.length, all.length);
});

test("profile, agency and settings are read and changed", async () => {
  assert.equal((await owner.profile()).email, system.ready.demo.owner.email);
  assert.equal((await owner.editProfile({ firstName: "Olga" })).firstName, "Olga");
  assert.equal((await owner.agency())?.id, system.ready.demo.agencyId);
  assert.equal((await owner.editSettings({ maxOpenChats: 7 })).maxOpenChats, 7);
  assert.equal((await owner.settings()).maxOpenChats, 7);
  await owner.editSettings({ maxOpenChats: null });
});

test("an agency is registered, approved by an admin, and previewed", async () => {
  const name = `Agency ${Date.now()}`;
  const person = { email: `owner-${Date.now()}@example.org`, password: "a password of length", firstName: "Jan" };
  const agency = await system
    .organizerApi()
    .registerAgency(
      { name, address: "Rynek 2", website: "https://example.org" },
      { ...person, lastName: "Kowalski", phoneNumber: "+48123456789" },
    );
  await assert.rejects(system.organizerApi().signIn({ email: person.email, password: person.password }), {
    status: 400,
  });
  const admin = system.organizerApi((await system.organizerApi().signIn(system.ready.superadmin)).token);
  assert.equal((await admin.admin.verifyAgency(agency.id, true)).approved, true);
  assert.equal(
    (await system.organizerApi().signIn({ email: person.email, password: person.password })).user.agencyId,
    agency.id,
  );
  await admin.admin.preview(agency.id);
  assert.equal((await admin.agency())?.name, name);
  await admin.admin.preview(null);
  assert((await admin.admin.agencies.list()).items.some(({ id }) => id === agency.id));
  assert((await admin.admin.changelogs.list()).items.length > 0);
});

test("errors say what the service says", async () => {
  const nobody = system.organizerApi("organizer:not-a-token");
  await assert.rejects(nobody.profile(), { status: 403, messages: ["Forbidden resource"] });
  await assert.rejects(owner.issues.edit(0, { priority: "huge" as "high" }), (error) => {
    assert(error instanceof ApiError);
    assert.equal(error.status, 400);
    return true;
  });
  const support = system.organizerApi((await system.organizerApi().signIn(system.ready.demo.support)).token);
  const event = system.ready.demo.events[0] ?? 0;
  await assert.rejects(support.events.delete(event), { status: 403 });
});

test("the agency's archive can be read in pages", async () => {
  const archive = new MessengerApi({ baseUrl: system.ready.messenger, credentials: { token: () => token } });
  assert.deepEqual((await archive.chats()).items, []);
  assert.deepEqual(await archive.chats({ q: "gate & stage", participantId: 7 }), { items: [], next: undefined });
  await assert.rejects(archive.chat("0a1b2c3d4e5f60718293a4b5"), { status: 400, messages: ["chat not found"] });
  await assert.rejects(archive.chats({ limit: 501 }), { status: 400, messages: ["invalid `limit` query parameter"] });
  await assert.rejects(archive.agencyMessages("0a1b2c3d4e5f60718293a4b5"), {
    status: 400,
    messages: ["chat not found"],
  });
});

test("figures tell of presses and their waits", async () => {
  const messenger = new MessengerApi({ baseUrl: system.ready.messenger, credentials: { token: () => token } });
  const day = { from: "2026-05-01T10:00:00Z", to: "2026-05-02T10:00:00Z" };
  const figures = await messenger.statistics({ eventId: system.event, ...day });
  assert.deepEqual([figures.eventId, figures.presses, figures.waits.within15Seconds], [system.event, 0, null]);
  assert.equal(figures.series.length, (24 * 60 * 60) / figures.stepSeconds);
  await assert.rejects(messenger.statistics({ from: "yesterday" }), { status: 400 });
});
