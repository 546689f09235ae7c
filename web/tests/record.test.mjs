// How the record is made readable.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const { outputFiles } = await esbuild.build({
  entryPoints: [fileURLToPath(new URL("../console/record/history.ts", import.meta.url))],
  bundle: true,
  format: "esm",
  write: false,
});
const { readHistory } = await import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);

const row = (id, entityClass, entityId, type, value, userId = 1) => ({
  id,
  entityClass,
  entityId,
  type,
  changedAt: "2026-05-01T10:00:00.000Z",
  valueAfter: value === undefined ? null : typeof value === "string" ? value : JSON.stringify(value),
  userId,
  agencyId: 4,
});
const read = (rows, ofAgency = [1]) => readHistory(rows, (id) => ofAgency.includes(id));

test("an update shows the fields that it has changed, newest first", () => {
  const { entries } = read([
    row(1, "Event", 7, "insert", { id: 7, name: "Rock", lat: "50.1", address: "A" }),
    row(2, "Event", 7, "update", { id: 7, name: "Rock night", lat: 50.1, address: "A" }),
    row(3, "Event", 7, "delete"),
  ]);
  assert.deepEqual(
    entries.map(({ row, name, changes }) => [row.id, name, changes]),
    [
      [3, "Rock night", []],
      [2, "Rock night", [{ field: "name", before: "Rock", after: "Rock night" }]],
      [1, "Rock", []],
    ],
  );
});

test("a new plan in the place of another is a change, and that there is one is said once", () => {
  const plan = { eventId: 7, sha256: "aa", north: 50.07, south: 50.05, east: 19.95, west: 19.9 };
  const { entries } = read([
    row(1, "Event", 7, "insert", { id: 7, name: "Rock" }),
    row(2, "Event", 7, "update", { id: 7, name: "Rock", hasPlan: true, plan }),
    row(3, "Event", 7, "update", { id: 7, name: "Rock", hasPlan: true, plan: { ...plan, sha256: "bb" } }),
    row(4, "Event", 7, "update", { id: 7, name: "Rock", hasPlan: true }),
    row(5, "Event", 7, "update", { id: 7, name: "Rock", plan: null }),
  ]);
  assert.deepEqual(
    entries.map(({ changes }) => changes.map(({ field, after }) => [field, after?.sha256])),
    [[["plan", undefined]], [], [["plan", "bb"]], [["plan", "aa"]], []],
  );
});

test("a field that a row does not have is as it was", () => {
  const { entries } = read([
    row(1, "Agency", 4, "insert", { id: 4, name: "A", approved: false }),
    row(2, "Agency", 4, "update", { id: 4, name: "A", approved: false, maxOpenChats: 5 }),
    row(3, "Agency", 4, "update", { id: 4, name: "B", approved: false }),
    row(4, "Agency", 4, "update", { id: 4, name: "B", approved: false, maxOpenChats: null }),
  ]);
  assert.deepEqual(
    entries.map(({ changes }) => changes),
    [
      [{ field: "maxOpenChats", before: 5, after: null }],
      [{ field: "name", before: "A", after: "B" }],
      [{ field: "maxOpenChats", before: undefined, after: 5 }],
      [],
    ],
  );
});

test("what was not there and is null now has not changed", () => {
  const { entries } = read([
    row(1, "Agency", 4, "insert", { id: 4, name: "A" }),
    row(2, "Agency", 4, "update", { id: 4, name: "A", maxOpenChats: null, helpPhoneNumber: "+48500" }),
  ]);
  assert.deepEqual(
    entries[0].changes.map(({ field }) => field),
    ["helpPhoneNumber"],
  );
});

test("what was removed because of its age is said by each row anew", () => {
  const before = "2026-04-01T00:00:00.000Z";
  const { entries } = read([
    row(1, "Agency", 4, "update", { id: 4, name: "A", removedChats: 2, removedMessages: 9, endedBefore: before }, 0),
    row(2, "Agency", 4, "update", { id: 4, name: "A", removedChats: 2, removedMessages: 5, endedBefore: before }, 0),
    row(3, "Agency", 0, "update", { removedGuests: 3, lastSeenBefore: before, reportId: "7f" }, 0),
    row(4, "Agency", 0, "update", { removedGuests: 3, lastSeenBefore: before, reportId: "80" }, 0),
  ]);
  const guests = [
    { field: "removedGuests", before: undefined, after: 3 },
    { field: "lastSeenBefore", before: undefined, after: before },
  ];
  assert.deepEqual(
    entries.slice(0, 3).map(({ changes }) => changes),
    [
      guests,
      guests,
      [
        { field: "removedChats", before: undefined, after: 2 },
        { field: "removedMessages", before: undefined, after: 5 },
        { field: "endedBefore", before: undefined, after: before },
      ],
    ],
  );
});

test("a blanked value is not taken for what was before", () => {
  const blank = { id: 7, email: "", firstName: "", lastName: "", phoneNumber: "", role: 4 };
  const ewa = { id: 7, email: "e@b.pl", firstName: "Ewa", lastName: "Lis", phoneNumber: "1", role: 3 };
  const { entries } = read([
    row(1, "User", 7, "insert", blank),
    row(2, "User", 7, "update", ewa),
    row(3, "Agency", 4, "update", { id: 4, blankedBefore: "2026-04-01T00:00:00.000Z" }, 0),
    row(4, "Agency", 4, "update", { id: 4, blankedBefore: "2026-04-02T00:00:00.000Z" }, 0),
  ]);
  const blanked = { field: "blankedBefore", before: undefined, after: "2026-04-02T00:00:00.000Z" };
  assert.deepEqual(entries[0].changes, [blanked]);
  const changes = entries[2].changes.map(({ field, before }) => [field, before]);
  assert.deepEqual(changes, [
    ["email", undefined],
    ["firstName", undefined],
    ["lastName", undefined],
    ["phoneNumber", undefined],
    ["role", 4],
  ]);
});

test("the agency's people do not approve it, an administrator does", () => {
  const rows = [
    row(1, "Agency", 4, "insert", { id: 4, name: "A", approved: false }),
    row(2, "Agency", 4, "update", { id: 4, name: "B", approved: true }),
    row(3, "Agency", 4, "update", { id: 4, name: "B", approved: false }, 2),
  ];
  const changes = read(rows).entries.map(({ changes }) => changes.map(({ field }) => field));
  assert.deepEqual(changes, [["approved"], ["name"], []]);
});

test("the first known row shows all of its fields, and what cannot be read shows none", () => {
  const { entries, nameIn } = read([
    row(1, "User", 3, "update", { id: 3, firstName: "Sam", lastName: "Support", role: 4, agency: { id: 4 } }),
    row(2, "User", 3, "update", "not JSON"),
    row(3, "Issue", 9, "update", "[1]"),
  ]);
  assert.deepEqual(
    entries.map(({ name, changes }) => [name, changes.map(({ field }) => field)]),
    [
      ["", []],
      ["Sam Support", []],
      ["Sam Support", ["firstName", "lastName", "role"]],
    ],
  );
  assert.equal(nameIn("User", 3), "Sam Support");
  assert.equal(nameIn("User", 4), "");
});
