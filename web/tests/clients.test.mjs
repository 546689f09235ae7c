// The program of docs/clients.md for browsers, as it is printed there. Those in other languages are run by
// tests/clients.rs.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { launchBrowser, watchErrors } from "./browser.mjs";
import { organizer, System, takeChat } from "./system.mjs";

const MAX_LINES = 60;
const file = path.join(path.dirname(fileURLToPath(import.meta.url)), "../../docs/clients.md");
const text = await readFile(file, "utf8");

let system;
let team;
let browser;
before(async () => {
  [system, browser] = await Promise.all([System.up(), launchBrowser()]);
  team = await organizer(system);
});
after(async () => {
  team?.stop();
  await Promise.all([browser?.close(), system?.down()]);
});

/** The only program of the page in this language. */
function program(language) {
  const blocks = text.split(`\`\`\`${language}\n`).slice(1);
  assert.equal(blocks.length, 1, language);
  const block = blocks[0].split("```\n")[0];
  assert.ok(block.split("\n").length <= MAX_LINES + 1, `the program in ${language} is long`);
  return block;
}

/** A server of the program's two files, on a port of its own: the services are of another origin. */
async function serve() {
  const { code } = await esbuild.transform(program("typescript"), { loader: "ts" });
  const files = {
    "/": { type: "text/html", content: program("html") },
    "/phone.js": { type: "text/javascript", content: code },
  };
  const server = createServer((request, response) => {
    const found = files[new URL(request.url, "http://localhost").pathname];
    response.writeHead(found ? 200 : 404, { "content-type": found?.type ?? "text/plain" }).end(found?.content);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

test("the program for browsers runs as it is printed", async () => {
  const server = await serve();
  try {
    const page = await browser.newPage();
    const errors = watchErrors(page);
    const address = new URL(`http://127.0.0.1:${server.address().port}/`);
    address.searchParams.set("api", new URL(system.ready.organizer).origin);
    address.searchParams.set("socket", `${system.ready.ws[0]}/connect`);
    await page.goto(address.href);
    const log = page.locator("#log");
    // The socket may tell of the press before its answer is here.
    await log.getByText("Help is pressed at ").waitFor();
    await log.getByText("Place in the queue: 1").waitFor();
    const chat = await takeChat(team);
    await log.getByText(" is here").waitFor();
    await team.send(chat, "On our way");
    await log.getByText("Team: On our way").waitFor();
    await team.closeChat(chat);
    await log.getByText("The chat is closed").waitFor();
    assert.deepEqual(errors, []);
  } finally {
    server.close();
  }
});
