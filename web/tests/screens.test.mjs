// Every screen of the pages, narrow and wide, in a left-to-right and a right-to-left language, and with text at 200 %:
// nothing is cut off or sticks out, all targets are large enough, and axe finds nothing.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { after, before, test } from "node:test";
import { launchBrowser, PHONE, watchErrors } from "./browser.mjs";
import { findings, HOSTILE, smallTargets, sticksOut } from "./checks.mjs";
import { FakeService, ORIGIN } from "./fake.mjs";

/** Where to put pictures of all screens, for somebody who wants to look at them. */
const gallery = process.env.MAYDAY_GALLERY;
const button = (page) => page.locator("button.press");

/** How to come to each screen. */
const SCREENS = {
  home: async (page) => {
    await page.goto(`${ORIGIN}/`);
  },
  find: async (page) => {
    await page.goto(`${ORIGIN}/help`);
    await page.locator(".events a").first().waitFor();
  },
  "find-near": async (page) => {
    await SCREENS.find(page);
    await page.locator("search button").click();
    await page.locator(".events .faint").first().waitFor();
  },
  ask: async (page) => {
    await page.goto(`${ORIGIN}/help/1`);
    await page.locator(".details").waitFor();
    await page.locator("h1 bdi").waitFor();
  },
  unsent: async (page, service) => {
    service.failing = 503;
    await page.goto(`${ORIGIN}/help/1`);
    await page.locator(".details").waitFor();
    await button(page).click();
    await page.locator(".rung.now button").waitFor();
  },
  waiting: async (page) => {
    await SCREENS.ask(page);
    await page.locator(".kind").first().click();
    await page.locator("textarea").fill("By the north gate, row 12");
    await button(page).click();
    await page.locator(".rung:nth-child(4).now").waitFor();
    await page.locator(".details .icon-pin").waitFor();
  },
  "take-back": async (page) => {
    await SCREENS.waiting(page);
    await page.locator("main > button").click();
    await page.locator("dialog").waitFor();
  },
  chat: async (page, service) => {
    await SCREENS.waiting(page);
    service.take("Anna");
    service.write("I am Anna from the team. Are you hurt?");
    service.read();
    await page.locator(".mine .icon-read").waitFor();
    await page.locator(".composer fieldset button").first().click();
    await page.locator(".mine .icon-check").waitFor();
    service.write("Stay where you are. Two of us are on the way.");
    service.read();
    await page.locator(".message").nth(3).waitFor();
    await page.locator(".mine .icon-read").nth(1).waitFor();
  },
  hostile: async (page, service) => {
    service.events[0] = { ...service.events[0], name: HOSTILE, address: HOSTILE };
    await SCREENS.waiting(page);
    service.take(HOSTILE.slice(0, 200));
    service.write(HOSTILE);
    await page.locator(".message").nth(1).waitFor();
  },
  safe: async (page, service) => {
    await SCREENS.chat(page, service);
    await page.locator(".chat-head button").click();
    await page.locator("dialog").waitFor();
  },
  ended: async (page, service) => {
    await SCREENS.chat(page, service);
    service.close();
    await button(page).waitFor();
  },
  menu: async (page) => {
    await SCREENS.ask(page);
    await page.locator("header .icon-settings").click();
    await page.locator("dialog").waitFor();
  },
  "sign-up": async (page) => {
    await SCREENS.menu(page);
    await page.locator("dialog section button").first().click();
    await page.locator("dialog form").waitFor();
  },
  unknown: async (page) => {
    await page.goto(`${ORIGIN}/help/99`);
    await page.locator(".events a").first().waitFor();
  },
};

const LOOKS = [
  { name: "320-de", width: 320, height: 640, locale: "de-DE" },
  { name: "390-ar", width: 390, height: 844, locale: "ar-EG", colorScheme: "dark" },
  { name: "1024-de", width: 1024, height: 768, locale: "de-DE", colorScheme: "dark" },
  { name: "320-ar-200", width: 320, height: 640, locale: "ar-EG", textSize: 200 },
  { name: "390-de-200", width: 390, height: 844, locale: "de-DE", textSize: 200 },
];

let browser;
before(async () => {
  browser = await launchBrowser();
  if (gallery) await mkdir(gallery, { recursive: true });
});
after(() => browser?.close());

for (const look of LOOKS) {
  for (const [screen, open] of Object.entries(SCREENS)) {
    test(`${screen} at ${look.name}`, async () => {
      const { width, height, locale, colorScheme = "light" } = look;
      const context = await browser.newContext({
        ...PHONE,
        viewport: { width, height },
        locale,
        colorScheme,
        serviceWorkers: "block",
      });
      context.setDefaultTimeout(20_000);
      const page = await context.newPage();
      const errors = watchErrors(page);
      const service = new FakeService();
      await service.attach(context);
      if (look.textSize) {
        const cdp = await context.newCDPSession(page);
        await cdp.send("Page.setFontSizes", { fontSizes: { standard: (16 * look.textSize) / 100 } });
      }
      await open(page, service);
      if (gallery) await page.screenshot({ path: path.join(gallery, `${look.name}-${screen}.png`) });
      assert.deepEqual(errors, []);
      assert.deepEqual(await page.evaluate(sticksOut), []);
      assert.deepEqual(await page.evaluate(smallTargets), []);
      assert.deepEqual(await findings(page), []);
      await context.close();
    });
  }
}
