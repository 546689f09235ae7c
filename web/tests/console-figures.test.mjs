// What the figures do while somebody looks at them. The service is played; the story with a real one is that of events.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchBrowser, watchErrors, words } from "./browser.mjs";
import { fillEvents, fillStatistics } from "./fake-events.mjs";
import { FakeTeam } from "./fake-team.mjs";
import { signIn } from "./looks.mjs";

let browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser?.close());

async function open(query = "") {
  const context = await browser.newContext({
    ...{
      viewport: { width: 1280, height: 800 },
      locale: "en-GB",
      timezoneId: "Europe/Warsaw",
      reducedMotion: "reduce",
    },
  });
  const page = await context.newPage();
  const errors = watchErrors(page);
  const team = new FakeTeam();
  fillEvents(team);
  fillStatistics(team);
  await team.attach(context);
  await page.clock.install();
  await signIn(page, { address: `/console/figures${query}` });
  await page.locator("#figures-event").waitFor();
  return { context, page, team, errors };
}

const sum = (page, label) =>
  page.locator(".sums dl > div", { has: page.getByText(label, { exact: true }) }).locator("dd");

test("figures of an event that runs refresh by themselves", async () => {
  const { context, page, team, errors } = await open();
  await sum(page, "Presses").getByText("98", { exact: true }).waitFor();
  await page.getByText("refreshes by itself").waitFor();
  team.statistics = { ...team.statistics, presses: 99, waiting: 3 };
  await page.clock.fastForward(16_000);
  await sum(page, "Presses").getByText("99", { exact: true }).waitFor();
  await sum(page, "Waiting").getByText("3", { exact: true }).waitFor();
  assert.deepEqual(errors, []);
  await context.close();
});

test("figures of a span that is over stay as they are", async () => {
  const { context, page, team } = await open("?event=4&span=event");
  await sum(page, "Presses").getByText("98", { exact: true }).waitFor();
  assert.equal(await page.getByText("refreshes by itself").count(), 0);
  team.statistics = { ...team.statistics, presses: 99 };
  await page.clock.fastForward(60_000);
  assert.equal(await sum(page, "Presses").textContent(), "98");
  await context.close();
});

test("without an answer the last figures stay, and say how old they are", async () => {
  const { context, page, team } = await open();
  await sum(page, "Presses").getByText("98", { exact: true }).waitFor();
  team.isDown = true;
  await page.clock.fastForward(16_000);
  await page.getByRole("alert").getByText(words("You see what it was at")).waitFor();
  assert.equal(await sum(page, "Presses").textContent(), "98");
  team.isDown = false;
  await page.getByRole("button", { name: "Try again" }).click();
  await page.locator(".page .problem").waitFor({ state: "detached" });
  await context.close();
});

test("the choice is in the address, and is what the service is asked for", async () => {
  const { context, page } = await open("?event=all&span=day");
  await sum(page, "Presses").waitFor();
  const asked = page.waitForRequest(/statistics\?/);
  await page.getByLabel("Event").selectOption("Market Square Concert 1");
  const { searchParams } = new URL((await asked).url());
  assert.equal(searchParams.get("eventId"), "4");
  assert.equal(Date.parse(searchParams.get("to")) - Date.parse(searchParams.get("from")), 4 * 3_600_000);
  assert.match(page.url(), /\?event=4&span=event$/);

  // A custom span begins as the one that was shown, in the zone of the browser.
  await page.getByLabel("Time").selectOption("From … to …");
  const again = page.waitForRequest(/statistics\?.*to=2026-07-03T18/);
  await page.getByLabel("From", { exact: true }).fill("2026-07-03T18:00");
  await page.getByLabel("From", { exact: true }).blur();
  await page.getByLabel("To", { exact: true }).fill("2026-07-03T20:00");
  await page.getByLabel("To", { exact: true }).blur();
  assert.equal(new URL((await again).url()).searchParams.get("from"), "2026-07-03T16:00:00.000Z");
  await page.reload();
  assert.equal(await page.getByLabel("To", { exact: true }).inputValue(), "2026-07-03T20:00");
  await context.close();
});

test("the charts take the colours and the width of the page", async () => {
  const { context, page } = await open();
  const canvas = page.locator(".chart canvas").first();
  await canvas.waitFor();
  const drawing = () => canvas.evaluate((canvas) => canvas.toDataURL());
  const light = await drawing();
  await page.emulateMedia({ colorScheme: "dark" });
  await page.waitForFunction((light) => document.querySelector(".chart canvas").toDataURL() !== light, light);
  await page.setViewportSize({ width: 800, height: 800 });
  await page.waitForFunction(() => document.querySelector(".chart canvas").clientWidth <= 800);
  await context.close();
});

test("who cannot see the charts reads the same in a table, and spreadsheets get all of it", async () => {
  const { context, page, team } = await open();
  await page.getByText("Both charts as a table").click();
  const { series } = team.statistics;
  assert.equal(await page.locator("details tbody tr").count(), series.filter(({ presses }) => presses > 0).length);
  await page.locator("[aria-hidden] > .of-organizers canvas").waitFor();
  const counts = await page.locator(".organizers tbody tr td:first-of-type").allTextContents();
  assert.deepEqual(counts, ["41", "30", "22"]);
  const first = await page.locator("details tbody tr").first().locator("td").allTextContents();
  assert.deepEqual(first, ["4", "3", "0:07"]);
  const saved = page.waitForEvent("download");
  await page.getByRole("button", { name: "Over time as CSV" }).click();
  const download = await saved;
  assert.match(download.suggestedFilename(), /^mayday-event-1-\d{4}-\d\d-\d\d-series\.csv$/);
  const file = (await (await download.createReadStream()).toArray()).join("");
  const rows = series.map(({ at, presses, taken, medianWaitSeconds }) =>
    [at, presses, taken, medianWaitSeconds ?? ""].join(","),
  );
  const lines = ["at,presses,taken,medianWaitSeconds", ...rows];
  assert.equal(file, `\ufeff${lines.map((line) => `${line}\r\n`).join("")}`);
  await context.close();
});
