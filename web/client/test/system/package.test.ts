import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { contents, organizer, System, takeChat, until } from "./system.js";

const package_ = process.cwd();
let directory: string;
let system: System;
before(async () => {
  directory = mkdtempSync(path.join(tmpdir(), "mayday-package-"));
  execFileSync("npm", ["pack", "--pack-destination", directory, "--silent"], { cwd: package_ });
  writeFileSync(path.join(directory, "package.json"), JSON.stringify({ private: true, type: "module" }));
  const { version } = JSON.parse(readFileSync(path.join(package_, "package.json"), "utf8"));
  const install = ["install", "--offline", "--ignore-scripts", "--no-audit", `./mayday-client-${version}.tgz`];
  execFileSync("npm", install, { cwd: directory, stdio: "ignore" });
  system = await System.up();
});
after(async () => {
  await system?.down();
  rmSync(directory, { recursive: true, force: true });
});

test("the README's example runs with the packed package", async () => {
  const readme = readFileSync(path.join(package_, "README.md"), "utf8");
  const [, example = ""] = /```js\n([\s\S]*?)```/.exec(readme) ?? [];
  assert(example.split("\n").length <= 25, "the example is to be short");
  writeFileSync(path.join(directory, "example.mjs"), example);
  // Node before 22 has no WebSocket of its own.
  const ws = JSON.stringify(pathToFileURL(createRequire(import.meta.url).resolve("ws")).href);
  writeFileSync(
    path.join(directory, "socket.mjs"),
    `import WebSocket from ${ws};\nglobalThis.WebSocket ??= WebSocket;\n`,
  );
  const team = await organizer(system);
  const args = ["--import", "./socket.mjs", "example.mjs", String(system.event)];
  const env = { ...process.env, MAYDAY_URL: new URL(system.ready.participant).origin, MAYDAY_SOCKET: system.socket() };
  const child = spawn(process.execPath, args, { cwd: directory, env, stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (text) => {
    output += text;
  });
  const ended = once(child, "exit");
  const chatId = await takeChat(team);
  await until(team, "the example has written", (now) => contents(now, chatId).at(-1) === "By the north gate");
  const sent = await team.send(chatId, "Help is on its way");
  await until(team, "the answer is saved", (now) =>
    now.chats.some(({ messages }) => messages.some(({ clientId, state }) => clientId === sent && state === "saved")),
  );
  await team.closeChat(chatId);
  assert.deepEqual(await ended, [0, null]);
  assert.match(output, /press: kept/);
  assert.match(output, /press: safe/);
  assert.match(output, /press: taken/);
  assert.match(output, /team: Help is on its way/);
  team.stop();
});

test("the declarations of the packed package fit a strict program, with DOM types and with Node's", async () => {
  writeFileSync(
    path.join(directory, "program.ts"),
    `import { ParticipantApi, Session, type ChatView } from "@mayday/client";
import { PressQueue } from "@mayday/client/press";
import { openIndexedDb } from "@mayday/client/indexeddb";
const api = new ParticipantApi({ baseUrl: "https://mayday.example/participant" });
export const names: Promise<string[]> = api.events({ query: "rock" }).then((events) => events.map(({ name }) => name));
// @ts-expect-error: an id is a number.
void api.event("9");
export const first = (session: Session): ChatView | undefined => session.snapshot.chats[0];
export const parts = [PressQueue, openIndexedDb];
`,
  );
  const tsc = path.join(package_, "..", "node_modules", ".bin", "tsc");
  const types = path.join(package_, "..", "node_modules", "@types");
  const strict = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--target", "es2022", "--module", "nodenext"];
  for (const surroundings of [
    ["--lib", "es2022,dom", "--types", ""],
    ["--lib", "es2022,dom", "--typeRoots", types, "--types", "node"],
  ]) {
    execFileSync(tsc, [...strict, ...surroundings, "program.ts"], { cwd: directory, stdio: "inherit" });
  }
});
