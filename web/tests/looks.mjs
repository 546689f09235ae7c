// Every screen of a part of the console, in the sizes that it is made for and in both directions of writing: nothing is
// cut off or sticks out, and axe finds nothing. MAYDAY_GALLERY is as in screens.test.mjs.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { after, before, test } from "node:test";
import { launchBrowser, watchErrors } from "./browser.mjs";
import { findings, sticksOut } from "./checks.mjs";
import { ORIGIN } from "./fake.mjs";
import { FakeTeam } from "./fake-team.mjs";

export const LOOKS = [
  { name: "768-de", width: 768, height: 1024, locale: "de-DE" },
  { name: "1024-de", width: 1024, height: 768, locale: "de-DE", colorScheme: "dark" },
  { name: "1024-ar", width: 1024, height: 768, locale: "ar-EG" },
  { name: "1600-ar", width: 1600, height: 1000, locale: "ar-EG", colorScheme: "dark" },
  { name: "1600-en", width: 1600, height: 1000, locale: "en-GB" },
];

/** Signs in at an address of the console, which is then shown. */
export async function signIn(page, { password = "right", address = "/console" } = {}) {
  await page.goto(ORIGIN + address);
  await page.locator("#email").fill("sam@demo.example");
  await page.locator("#password").fill(password);
  await page.locator("button.strong").click();
}

/** Makes a test of each screen at each look. `screens` has how to come to each: `(page, team) => Promise`. */
export function testScreens(area, screens) {
  const gallery = process.env.MAYDAY_GALLERY;
  let browser;
  before(async () => {
    browser = await launchBrowser();
    if (gallery) await mkdir(gallery, { recursive: true });
  });
  after(() => browser?.close());

  for (const { name, width, height, locale, colorScheme = "light" } of LOOKS) {
    for (const [screen, open] of Object.entries(screens)) {
      test(`${area} ${screen} at ${name}`, async () => {
        const context = await browser.newContext({
          viewport: { width, height },
          locale,
          colorScheme,
          reducedMotion: "reduce",
        });
        context.setDefaultTimeout(15_000);
        const page = await context.newPage();
        const errors = watchErrors(page);
        const team = new FakeTeam();
        await team.attach(context);
        await open(page, team);
        if (gallery) await page.screenshot({ path: path.join(gallery, `${area}-${name}-${screen}.png`) });
        assert.deepEqual(errors, []);
        assert.deepEqual(await page.evaluate(sticksOut), []);
        assert.deepEqual(await findings(page), []);
        await context.close();
      });
    }
  }
}
