import assert from "node:assert/strict";
import { test } from "node:test";
import { leak, noteAnswered, noteQuery, noteSent } from "../secrets.js";

test("each line of a text that was sent is found, also if a log escapes it", () => {
  const content = 'Stairs "B", level 2\nshort';
  assert.equal(leak([content]), undefined);
  noteSent(JSON.stringify({ type: "send_message", payload: { content } }));
  for (const log of ['INFO Stairs "B", level 2!', JSON.stringify({ content })]) assert.ok(leak([log]), log);
  assert.equal(leak(["INFO short"]), undefined);
});

test("credentials are found, and what a service has made", () => {
  noteSent(JSON.stringify({ Authorization: "Bearer participant:made.up.by-a-test" }));
  noteSent(JSON.stringify({ Authorization: "Bearer nearly-one" }));
  noteAnswered(JSON.stringify({ recoveryCodes: ["7s4k-u2m9-made-up"], email: "known@example.org" }));
  assert.ok(leak(["INFO participant:made.up.by-a-test"]));
  assert.ok(leak(["INFO code 7s4k-u2m9-made-up"]));
  assert.equal(leak(["INFO nearly-one known@example.org"]), undefined);
});

test("what services generate is found by its form, whoever was answered it", () => {
  const generated = ["participant:eyJh.eyJz.c2ln", "guest-1@guest.invalid", "canary-7@mayday.invalid", "7f".repeat(24)];
  for (const secret of generated) assert.ok(leak([`INFO ${secret}, and no more`]), secret);
  assert.equal(leak([`INFO traceId=${"7f".repeat(16)} sha256:${"7f".repeat(32)}`]), undefined);
});

test("a value of few different characters is no secret", () => {
  noteSent(JSON.stringify({ name: "0".repeat(30), password: "0000-made-up" }));
  assert.equal(leak([`INFO ${"0".repeat(32)}`]), undefined);
  assert.ok(leak(["INFO 0000-made-up"]));
});

test("of a long line the beginning is found, which a log may hold alone", () => {
  noteSent(JSON.stringify({ name: `Stairs ${"é".repeat(200)}` }));
  assert.ok(leak([`INFO Stairs ${"é".repeat(73)}...`]));
  assert.equal(leak([`INFO Stairs ${"é".repeat(72)}...`]), undefined);
});

test("a search in a query string is found, and no times", () => {
  noteQuery("http://127.0.0.1:3000/participant/events?from=2026-07-03T18:00&query=gate+4+%26+stage");
  for (const log of ["INFO found gate 4 & stage", "INFO /events?query=gate+4+%26+stage"]) assert.ok(leak([log]), log);
  assert.equal(leak(["2026-07-03T18:00 INFO signed in"]), undefined);
});

test("a position is found, and no other number", () => {
  const payload = { lat: -33.856784, lng: 151.2, accuracy: 8.654321 };
  assert.equal(leak([JSON.stringify(payload)]), undefined);
  noteSent(JSON.stringify({ type: "send_message", payload }));
  for (const log of [JSON.stringify(payload), "INFO somebody is at -33.856784, 151.2"]) assert.ok(leak([log]), log);
  assert.equal(leak(["INFO 151.2", "INFO took 8.654321 ms"]), undefined);
});
