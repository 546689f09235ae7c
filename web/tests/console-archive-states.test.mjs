// What the archive asks the service for, and what it shows when the service fails.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchBrowser, watchErrors } from "./browser.mjs";
import { FakeArchive } from "./fake-archive.mjs";
import { FakeTeam } from "./fake-team.mjs";
import { signIn } from "./looks.mjs";

let browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser?.close());

/** The archive's screen, at an address, with so many chats. */
async function open(address, count) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-GB" });
  const page = await context.newPage();
  const errors = watchErrors(page);
  const team = new FakeTeam();
  await team.attach(context);
  const archive = await FakeArchive.attach(page, team);
  for (let n = 0; n < count; n++) archive.add(count - n, { id: 100 + n, name: `Person ${n}` }, [`Gate ${n}`, ["Yes"]]);
  await signIn(page, { address });
  return { context, page, archive, errors };
}

const rows = (page) => page.locator(".entry");
const scrollToEnd = (page) =>
  page.locator(".page").evaluate((element) => {
    element.scrollTop = element.scrollHeight;
  });

test("of ten thousand chats only the pages are loaded that were scrolled to", async () => {
  const { context, page, archive, errors } = await open("/console/archive", 10_000);
  await rows(page).nth(49).waitFor();
  assert.equal(await rows(page).count(), 50);
  assert.deepEqual(archive.asked, [{ query: "limit=50", filter: {} }]);
  for (const count of [100, 150, 200]) {
    await scrollToEnd(page);
    await rows(page)
      .nth(count - 1)
      .waitFor({ state: "attached" });
  }
  assert(archive.asked.length < 8);

  // Who types asks once, and sees what was found before until the answer is there.
  const asked = archive.asked.length;
  await page.keyboard.press("/");
  await page.keyboard.type("gate 777");
  await rows(page).nth(11).waitFor({ state: "detached" });
  assert.equal(await rows(page).count(), 11);
  assert(archive.asked.length - asked <= 2);
  assert.equal(new URL(page.url()).hash, "#q=gate+777");
  assert.deepEqual(errors, []);
  await context.close();
});

test("more of a list that is not shown any more neither delays nor changes the one that is", async () => {
  const { context, page, archive, errors } = await open("/console/archive", 300);
  await rows(page).nth(49).waitFor();
  const hanging = new Promise((resolve) => page.route(/cursor=/, resolve));
  await scrollToEnd(page);
  const late = await hanging;
  await page.unroute(/cursor=/);
  await page.keyboard.press("/");
  await page.keyboard.type("gate 1");
  await rows(page).filter({ hasText: "Gate 2" }).first().waitFor({ state: "detached" });
  await rows(page).nth(49).waitFor();
  await scrollToEnd(page);
  await rows(page).nth(99).waitFor({ state: "attached" });
  const before = await rows(page).allInnerTexts();
  await late.fulfill(archive.answer(late.request()));
  await (await late.request().response()).finished();
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))));
  assert.deepEqual((await rows(page).allInnerTexts()).slice(0, 100), before.slice(0, 100));
  assert.deepEqual(errors, []);
  await context.close();
});

test("the words of a search are in no URL that a server gets", async () => {
  const { context, page, errors } = await open("/console/archive?event=1", 3);
  const urls = [];
  page.on("request", (request) => urls.push(request.url()));
  await rows(page).nth(2).waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("gate 1");
  await rows(page).nth(1).waitFor({ state: "detached" });
  await page.reload();
  await rows(page).first().waitFor();
  assert.equal(await rows(page).count(), 1);
  assert.equal(await page.getByLabel("Search").inputValue(), "gate 1");

  // The chat shows where it has them, and the way back leads to what was found.
  await rows(page).first().getByRole("link").click();
  await page.locator(".transcript mark", { hasText: "Gate 1" }).waitFor();
  await page.keyboard.press("Escape");
  await rows(page).first().waitFor();
  assert.equal(await rows(page).count(), 1);
  assert.equal(new URL(page.url()).search, "?event=1");
  assert(urls.length > 0);
  assert.deepEqual(
    urls.filter((url) => /gate/i.test(url.split("#")[0])),
    [],
  );

  await page.getByRole("button", { name: "Show all" }).click();
  await rows(page).nth(2).waitFor();
  assert.equal(new URL(page.url()).hash, "");
  assert.deepEqual(errors, []);
  await context.close();
});

test("the day of the filter is the day of the person's own clock, to its end", async () => {
  const { context, page, archive } = await open("/console/archive?from=2026-07-03&to=2026-07-03", 1);
  await page.getByText("No closed chat fits").waitFor();
  const [{ filter }] = archive.asked;
  const begin = await page.evaluate(() => new Date(2026, 6, 3).toISOString());
  assert.equal(filter.from, begin);
  assert.equal(Date.parse(filter.to) - Date.parse(begin), 24 * 3_600_000);
  await context.close();
});

test("a chat that cannot be read says so, and is read again when asked", async () => {
  const { context, page, archive } = await open("/console/archive", 3);
  await rows(page).nth(2).waitFor();
  archive.failing = true;
  await rows(page).first().getByRole("link").click();
  await page.getByText("could not get messages").waitFor();
  archive.failing = false;
  await page.getByRole("button", { name: "Try again" }).click();
  await page.locator(".transcript").getByText("Gate 2").waitFor();
  await context.close();
});

test("text that looks like a pattern is only text", async () => {
  const { context, page, archive } = await open("/console/archive", 1);
  archive.add(1, { name: "Zoë" }, ["What (now) costs $5?", ["Nothing [yet]"]]);
  await page.goto(`${new URL(page.url()).origin}/console/archive#q=${encodeURIComponent("(now) costs $")}`);
  await rows(page).first().getByRole("link").click();
  await page.locator(".transcript mark", { hasText: /^\(now\) costs \$$/ }).waitFor();
  await context.close();
});
