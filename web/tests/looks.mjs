// Every screen at every look: in the sizes that it is made for, in both directions of writing, light and dark. Nothing
// is cut off or sticks out, and axe finds nothing. MAYDAY_GALLERY is a directory for pictures of all of them.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { launchBrowser, watchErrors } from "./browser.mjs";
import { findings, sticksOut } from "./checks.mjs";
import { ORIGIN } from "./fake.mjs";
import { FakeTeam } from "./fake-team.mjs";

const gallery = process.env.MAYDAY_GALLERY;

/** The looks of the console, by the language of the browser. */
const CONSOLE_LOOKS = {
  "de-DE": [
    { name: "768-de", width: 768, height: 1024 },
    { name: "1024-de", width: 1024, height: 768, colorScheme: "dark" },
    { name: "1600-en", width: 1600, height: 1000, chosen: "en" },
  ],
  "ar-EG": [
    { name: "1024-ar", width: 1024, height: 768 },
    { name: "1600-ar", width: 1600, height: 1000, colorScheme: "dark" },
  ],
};

/** Signs in at an address of the console, which is then shown. */
export async function signIn(page, { password = "right", address = "/console" } = {}) {
  await page.goto(ORIGIN + address);
  await page.locator("#email").fill("sam@demo.example");
  await page.locator("#password").fill(password);
  await page.locator("button.strong").click();
}

/** Tests the screens of a part of the console. `screens` has how to come to each: `(page, team) => Promise`. */
export function testScreens(area, screens) {
  testLooks(area, screens, { looks: CONSOLE_LOOKS, Fake: FakeTeam, options: { reducedMotion: "reduce" } });
}

/**
 * Makes a test of each screen in each language, and in it one of each look. To come to a screen takes longer than to
 * check it, so it is come to at the first look, which then changes into the others. `Fake` answers the pages, `options`
 * are those of browser contexts, and `checks` run in the page.
 */
export function testLooks(area, screens, { looks, Fake, options, checks = [] }) {
  let browser;
  after(() => browser?.close());
  for (const [locale, [first, ...others]] of Object.entries(looks)) {
    describe(`${area} in ${locale}`, () => {
      let tabs;
      before(async () => {
        if (gallery) await mkdir(gallery, { recursive: true });
        browser ??= await launchBrowser();
        tabs = await Tabs.of(browser, { ...options, locale });
      });
      after(() => tabs?.context.close());

      for (const [screen, open] of Object.entries(screens)) {
        test(`${area} ${screen} in ${locale}`, async (t) => {
          const page = await tabs.open();
          const errors = watchErrors(page);
          const check = async (name) => {
            if (gallery) await page.screenshot({ path: path.join(gallery, `${area}-${name}-${screen}.png`) });
            assert.deepEqual(errors.splice(0), []);
            for (const check of [sticksOut, ...checks]) assert.deepEqual(await page.evaluate(check), []);
            assert.deepEqual(await findings(page), []);
          };
          try {
            const fake = new Fake();
            await fake.attach(page);
            await tabs.turn(page, first);
            await open(page, fake);
            await t.test(`${area} ${screen} at ${first.name}`, () => check(first.name));
            for (const look of others) {
              await t.test(`${area} ${screen} at ${look.name}`, async () => {
                await tabs.turn(page, look);
                await check(look.name);
              });
            }
          } finally {
            await tabs.close(page);
          }
        });
      }
    });
  }
}

/**
 * Tabs of one browser, each of which finds it as if it was new. They share the process of an empty tab that opens them:
 * a process of its own for each, which compiles the same scripts again, takes as long as all the checks.
 */
class Tabs {
  static async of(browser, options) {
    const context = await browser.newContext(options);
    const opener = await context.newPage();
    await opener.route(`${ORIGIN}/`, (route) => route.fulfill({ contentType: "text/html", body: "" }));
    await opener.goto(`${ORIGIN}/`);
    return new Tabs(context, opener);
  }

  constructor(context, opener) {
    this.context = context;
    this.opener = opener;
  }

  async open() {
    const [page] = await Promise.all([this.context.waitForEvent("page"), this.opener.evaluate(() => void open(""))]);
    // The size of text holds as long as the session that has set it.
    this.devtools = await this.context.newCDPSession(page);
    return page;
  }

  async close(page) {
    await page.close();
    // Through the process of the tabs, which would learn a moment later what the browser has cleared.
    await this.opener.evaluate(() => localStorage.clear());
    const devtools = await this.context.newCDPSession(this.opener);
    await devtools.send("Storage.clearDataForOrigin", {
      origin: ORIGIN,
      storageTypes: "cache_storage,cookies,indexeddb",
    });
    await devtools.detach();
  }

  /** Gives a page a look. `chosen` is a language that is chosen in another tab; `textSize` is in per cent. */
  async turn(page, { width, height, colorScheme = "light", chosen, textSize = 100 }) {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme });
    await this.devtools.send("Page.setFontSizes", { fontSizes: { standard: (16 * textSize) / 100 } });
    if (chosen) {
      await this.opener.evaluate((language) => localStorage.setItem("mayday-language", language), chosen);
      await page.locator(`html[lang=${chosen}]`).waitFor();
    }
    // Where there is room for it, the map comes by itself.
    await page.locator(".map:empty").waitFor({ state: "detached" });
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  }
}
