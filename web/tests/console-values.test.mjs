// What the console makes of what is typed, and of what the services say. It needs no browser.
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import * as esbuild from "esbuild";

// In this zone the clocks are put forward on 29 March 2026 at 2:00, and back on 25 October 2026 at 3:00.
process.env.TZ = "Europe/Warsaw";
const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "..");
const outfile = path.join(root, "build", `values-${process.pid}.mjs`);
const MODULES = ["events/times.ts", "events/places.ts", "figures/choice.ts", "figures/csv.ts", "kit/mail.ts"];

let values;
before(async () => {
  const exports = MODULES.map((module) => `export * from "./console/${module}";`).join("\n");
  await esbuild.build({
    stdin: { contents: exports, resolveDir: root },
    ...{ outfile, bundle: true, platform: "node", format: "esm", conditions: ["mayday-source"], logLevel: "error" },
  });
  values = await import(pathToFileURL(outfile).href);
});
after(() => rmSync(outfile, { force: true }));

test("a time that is typed is of the browser's zone, and the same time comes back", () => {
  const { localOf, momentOf } = values;
  for (const [local, moment] of [
    ["2026-07-03T18:00", "2026-07-03T16:00:00.000Z"],
    ["2026-01-03T18:00", "2026-01-03T17:00:00.000Z"],
    ["2027-01-01T00:30", "2026-12-31T23:30:00.000Z"],
  ]) {
    assert.equal(momentOf(local), moment);
    assert.equal(localOf(moment), local);
  }
  assert.equal(momentOf(""), undefined);
  assert.equal(momentOf("2026-13-01T10:00"), undefined);
  assert.equal(localOf("never"), "");
});

test("a time that the clocks skip is none", () => {
  const { momentOf } = values;
  assert.equal(momentOf("2026-03-29T01:59"), "2026-03-29T00:59:00.000Z");
  assert.equal(momentOf("2026-03-29T02:30"), "skipped");
  assert.equal(momentOf("2026-03-29T03:00"), "2026-03-29T01:00:00.000Z");
});

test("both times that the clocks show twice are shown alike", () => {
  const { localOf } = values;
  assert.equal(localOf("2026-10-25T00:30:00.000Z"), "2026-10-25T02:30");
  assert.equal(localOf("2026-10-25T01:30:00.000Z"), "2026-10-25T02:30");
});

test("an event runs from its start to its end", () => {
  const event = { timeStart: "2026-07-03T16:00:00.000Z", timeEnd: "2026-07-03T20:00:00.000Z" };
  const phase = (time) => values.phaseOf(event, Date.parse(`2026-07-03T${time}Z`));
  assert.deepEqual(["15:59", "16:00", "20:00", "20:01"].map(phase), ["coming", "running", "running", "past"]);
});

test("a position can be pasted, and a coordinate has bounds", () => {
  const { coordinate, positionIn } = values;
  assert.deepEqual(positionIn(" 50.0614, 19.9383 "), { lat: 50.0614, lng: 19.9383 });
  assert.deepEqual(positionIn("-33.85;151.2"), { lat: -33.85, lng: 151.2 });
  for (const text of ["50.0614", "91, 0", "0, 181", "here", "50,0614", "50,06", "1.0, 2.0, 3.0"]) {
    assert.equal(positionIn(text), undefined, text);
  }
  assert.equal(coordinate("50,0614", 90), 50.0614);
  assert.equal(coordinate("-90", 90), -90);
  for (const text of ["", " ", "90.1", "north", "1e999"]) assert.equal(coordinate(text, 90), undefined, text);
});

test("a link to an e-mail address leads to that alone", () => {
  const { mailAddress } = values;
  assert.equal(mailAddress("ewa.wojcik@security.example"), "mailto:ewa.wojcik@security.example");
  for (const email of ["a?bcc=b@example.org", "a&subject=b@example.org", "a%3Fbcc=b@example.org", "a#b@example.org"]) {
    const { pathname, search, hash } = new URL(mailAddress(email));
    assert.deepEqual([decodeURIComponent(pathname), search, hash], [email, "", ""]);
  }
});

test("a table becomes a file by RFC 4180 that no spreadsheet runs", () => {
  const { csvOf } = values;
  const rows = [
    ["name", "chats"],
    ['Olga "O", Owner', 3],
    ["two\nlines", null],
    ["=HYPERLINK(1)", 0.5],
    ["+48 600", undefined],
  ];
  const lines = ["name,chats", '"Olga ""O"", Owner",3', '"two\nlines",', "'=HYPERLINK(1),0.5", "'+48 600,"];
  assert.equal(csvOf(rows), `\ufeff${lines.map((line) => `${line}\r\n`).join("")}`);
});

test("without a choice the figures are of the event that runs, else of today", () => {
  const { choiceIn, isRunning, queryOf } = values;
  const now = Date.parse("2026-07-03T18:00:00Z");
  const event = { id: 7, timeStart: "2026-07-03T16:00:00.000Z", timeEnd: "2026-07-03T20:00:00.000Z" };
  const choose = (query, events = [event]) => choiceIn(new URLSearchParams(query), events, now);
  assert.deepEqual(choose(""), { event, span: "event" });
  assert.deepEqual(queryOf(choose(""), now), {
    ...{ eventId: 7, from: event.timeStart, to: "2026-07-03T18:00:00.000Z" },
  });
  assert.deepEqual(choose("", []), { event: undefined, span: "today" });
  assert.deepEqual(queryOf(choose("", []), now), { from: "2026-07-02T22:00:00.000Z", to: "2026-07-03T18:00:00.000Z" });
  assert.deepEqual(choose("event=all&span=event"), { event: undefined, span: "today" });
  assert.deepEqual(choose("event=9"), { event: undefined, span: "today" });
  assert(isRunning(choose(""), now));
  assert(!isRunning(choose(""), Date.parse("2026-07-03T20:00:01Z")));
});

test("a span is at most as long as the service tells, and ends after it begins", () => {
  const { choiceIn, queryOf } = values;
  const query = (from, to) =>
    queryOf(choiceIn(new URLSearchParams({ event: "all", span: "custom", from, to }), [], 0), 0);
  assert.deepEqual(query("2026-05-01T00:00:00Z", "2026-07-03T00:00:00Z"), {
    ...{ from: "2026-06-02T00:00:00.000Z", to: "2026-07-03T00:00:00.000Z" },
  });
  assert.equal(query("2026-07-03T00:00:00Z", "2026-07-03T00:00:00Z"), undefined);
  assert.equal(query("yesterday", "2026-07-03T00:00:00Z"), undefined);
});
