// The place of an event, where the browser takes its time to say where it is.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchBrowser, watchErrors } from "./browser.mjs";
import { FakeTeam } from "./fake-team.mjs";
import { signIn } from "./looks.mjs";

let browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser?.close());

test("a position that comes late does not replace a place that was typed meanwhile", async () => {
  const context = await browser.newContext({ locale: "en-GB", reducedMotion: "reduce" });
  const team = new FakeTeam();
  team.user.role = 3;
  await team.attach(context);
  const page = await context.newPage();
  const errors = watchErrors(page);
  await page.addInitScript(() => {
    navigator.geolocation.getCurrentPosition = (found) => {
      window.beFound = () => found({ coords: { latitude: 50.0614, longitude: 19.9383 } });
    };
  });
  await signIn(page, { address: "/console/events/new" });
  const latitude = page.getByLabel("Latitude");
  const locate = page.getByRole("button", { name: "Use my position" });
  await locate.click();
  await page.evaluate(() => window.beFound());
  assert.equal(await latitude.inputValue(), "50.0614");

  await locate.click();
  await latitude.fill("52.2319");
  await page.evaluate(() => window.beFound());
  await locate.waitFor();
  assert.equal(await latitude.inputValue(), "52.2319");
  assert.deepEqual(errors, []);
  await context.close();
});
