// The pages for client authors: what the documents say is on the screen, and nothing comes from elsewhere.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launchBrowser, watchErrors } from "./browser.mjs";
import { System } from "./system.mjs";

const repository = path.join(path.dirname(fileURLToPath(import.meta.url)), "../..");
const METHODS = new Set(["get", "post", "put", "patch", "delete"]);

let system;
let browser;
before(async () => {
  [system, browser] = await Promise.all([System.up(), launchBrowser()]);
});
after(async () => {
  await Promise.all([browser?.close(), system?.down()]);
});

async function read(file) {
  return JSON.parse(await readFile(path.join(repository, file), "utf8"));
}

/** Opens a page, and wants neither an error nor a request to another server. */
async function open(place) {
  const origin = new URL(system.ready.organizer).origin;
  const page = await browser.newPage();
  const errors = watchErrors(page);
  page.on("request", (request) => {
    const { protocol, origin: asked } = new URL(request.url());
    if (protocol !== "data:" && asked !== origin) errors.push(`asked ${request.url()}`);
  });
  await page.goto(`${origin}/docs${place}`);
  return { page, errors };
}

for (const service of ["participant", "organizer", "messenger"]) {
  test(`every operation of the ${service} service is on its page`, async () => {
    const { info, paths } = await read(`components/${service}/openapi.json`);
    const operations = Object.entries(paths).flatMap(([place, item]) =>
      Object.keys(item)
        .filter((key) => METHODS.has(key))
        .map((method) => `${method.toUpperCase()} ${place}`),
    );
    const { page, errors } = await open(`/${service}`);
    await page.getByRole("heading", { name: info.title }).waitFor();
    const rows = page.locator(".opblock-summary");
    await rows.nth(operations.length - 1).waitFor();
    const shown = await rows.evaluateAll((rows) =>
      rows.map((row) =>
        [".opblock-summary-method", ".opblock-summary-path"]
          // Swagger UI puts an invisible space where a path may be broken.
          .map((part) => row.querySelector(part)?.textContent.replaceAll("\u200b", ""))
          .join(" "),
      ),
    );
    assert.deepEqual(shown.sort(), operations.sort());
    assert.deepEqual(errors, []);
    await page.close();
  });
}

test("a request can be tried out", async () => {
  const { page, errors } = await open("/participant#/Session/makeGuest");
  const operation = page.locator(".opblock.is-open");
  await operation.getByRole("button", { name: "Try it out" }).click();
  await operation.getByRole("button", { name: "Execute" }).click();
  await operation.locator(".live-responses-table .response-col_status", { hasText: "201" }).waitFor();
  assert.deepEqual(errors, []);
  await page.close();
});

test("every frame, close code and refusal of the socket is on its page", async () => {
  const socket = await read("sidecar/asyncapi.json");
  const { page, errors } = await open("/socket");
  await page.getByRole("heading", { name: socket.info.title }).waitFor();
  const frames = Object.values(socket.operations).flatMap(({ messages }) => messages);
  const rows = page.locator(".opblock-summary");
  await rows.nth(frames.length).waitFor();
  assert.equal(await rows.count(), frames.length + 1, "the handshake, and each frame of each operation");
  const codes = await page.locator(".info td:first-child").allInnerTexts();
  assert.deepEqual(
    codes,
    socket["x-close-codes"].map(({ code }) => `${code}`),
  );
  await page.getByText("GET /connect opens the socket").click();
  const refusals = page.locator(".opblock.is-open .response-col_status:not(.col_header)");
  await refusals.first().waitFor();
  const statuses = await refusals.allInnerTexts();
  assert.deepEqual(statuses, ["101", ...Object.keys(socket["x-handshake-refusals"])]);
  await page.getByText("start_chat: ").first().click();
  const [example] = socket.components.messages.StartChat.examples;
  const shown = page.locator(".opblock-post.is-open .body-param__example code");
  await shown.waitFor();
  assert.deepEqual(JSON.parse(await shown.textContent()), example.payload);
  assert.deepEqual(errors, []);
  await page.close();
});

test("without scripts the overview leads to the documents", async () => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(`${new URL(system.ready.organizer).origin}/docs`);
  for (const name of [
    "/participant/openapi.json",
    "/organizer/openapi.json",
    "/messenger/openapi.json",
    "/asyncapi.json",
  ]) {
    assert.equal(await page.getByRole("link", { name, exact: true }).getAttribute("href"), name);
  }
  await context.close();
});
