// What the console says of the canary, which walks the whole path of a request for help.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchBrowser, watchErrors, words } from "./browser.mjs";
import { FakeTeam } from "./fake-team.mjs";
import { signIn } from "./looks.mjs";

const DUE_MS = 35_000;
/** From then on a run is too old. */
const OLD_SECONDS = 36;

let browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser?.close());

async function open(canary, locale = "en-GB") {
  const context = await browser.newContext({ viewport: { width: 1600, height: 1000 }, locale });
  const team = new FakeTeam();
  team.canary = canary;
  await team.attach(context);
  const page = await context.newPage();
  await page.clock.install();
  const errors = watchErrors(page);
  const close = async () => {
    assert.deepEqual(errors, []);
    await context.close();
  };
  return { page, team, close };
}

function run(failedStep = null, ageSeconds = 12) {
  const checkedAt = new Date(Date.now() - ageSeconds * 1000).toISOString();
  const ok = failedStep === null;
  return { checkedAt, ageSeconds, ok, failedStep, failingSince: ok ? null : checkedAt };
}

test("the console says when all was checked, what fails, and that nothing is checked any more", async () => {
  const { page, team, close } = await open(run());
  await signIn(page);
  await page.locator(".checked", { hasText: /^Checked \W*1\d sec\. ago/ }).waitFor();

  team.canary = run("take");
  await page.clock.runFor(DUE_MS);
  const problem = page.locator(".bar .problem");
  await problem.filter({ hasText: words("The check has failed since") }).waitFor();
  await problem.filter({ hasText: "taking a request" }).waitFor();
  await page.locator("#announce", { hasText: "taking a request" }).waitFor({ state: "attached" });
  assert.equal(await page.locator(".checked").count(), 0);

  team.canary = run();
  await page.clock.runFor(DUE_MS);
  await page.locator(".checked").waitFor();
  assert.equal(await problem.count(), 0);

  team.canary = run(null, OLD_SECONDS);
  await page.clock.runFor(DUE_MS);
  await problem.filter({ hasText: words("Not checked since") }).waitFor();
  await close();
});

test("a run that is not reported, or cannot be asked for, is a problem from 35 seconds on", async () => {
  const { page, team, close } = await open(run(null, 0));
  await signIn(page);
  const checked = page.locator(".checked");
  const problem = page.locator(".bar .problem", { hasText: words("Not checked since") });
  await checked.waitFor();

  // Nothing is asked before the next run is due, and what was due in time is fine.
  team.canary = run(null, OLD_SECONDS - 2);
  await page.clock.runFor(DUE_MS);
  assert.equal(await problem.count(), 0);
  team.canary = run(null, OLD_SECONDS);
  await page.clock.runFor(5_000);
  await problem.waitFor();
  team.canary = run(null, 0);
  await page.clock.runFor(5_000);
  await checked.waitFor();

  await team.hang(/messenger\/canary/);
  await page.clock.runFor(30_000);
  assert.equal(await problem.count(), 0);
  await page.clock.runFor(6_000);
  await problem.waitFor();
  await close();
});

test("where no canary runs the console does not mention one", async () => {
  const { page, close } = await open(undefined);
  const asked = page.waitForResponse(/messenger\/canary/);
  await signIn(page);
  await asked;
  assert.equal(await page.locator(".checked, .bar .problem").count(), 0);
  await close();
});
