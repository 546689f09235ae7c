// Every screen of the phone page, narrow and wide, in both directions of writing, and with text at 200 %. What is
// checked of each is in looks.mjs, and that all targets are large enough.
import { PHONE } from "./browser.mjs";
import { HOSTILE, smallTargets } from "./checks.mjs";
import { FakeService, ORIGIN } from "./fake.mjs";
import { testLooks } from "./looks.mjs";

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
    service.events[0] = { ...service.events[0], name: HOSTILE.slice(0, 200), address: HOSTILE.slice(0, 400) };
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
  "ended-unsent": async (page, service) => {
    await SCREENS.chat(page, service);
    service.refusesSockets = true;
    service.drop();
    await page.locator(".composer textarea").fill("I am at gate 4");
    await page.locator(".composer .send button").click();
    await page.locator(".mine .icon-clock").waitFor();
    service.close();
    service.refusesSockets = false;
    await page.locator("[role=alert] .message").waitFor();
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
  "sign-out": async (page) => {
    await SCREENS.menu(page);
    await page.locator("dialog section button").nth(2).click();
    await page.locator("dialog form").waitFor();
  },
  "change-password": async (page) => {
    await SCREENS.menu(page);
    await page.locator("dialog section button").nth(1).click();
    await page.locator("#account-email").fill("ola@example.org");
    await page.locator("#account-password").fill("right-password");
    await page.locator("dialog form button").click();
    await page.locator("dialog").waitFor({ state: "detached" });
    await page.locator("header .icon-settings").click();
    await page.locator("dialog section button").first().click();
    await page.locator("#account-oldPassword").fill("wrong-password");
    for (const name of ["new", "again"]) await page.locator(`#account-${name}Password`).fill("tiny horse!");
    await page.locator("dialog form button").click();
    await page.locator("dialog .notice").waitFor();
  },
  unknown: async (page) => {
    await page.goto(`${ORIGIN}/help/99`);
    await page.locator(".events a").first().waitFor();
  },
};

/** By the language of the browser. The first look is the one at which it is hardest to come to a screen. */
const LOOKS = {
  "de-DE": [
    { name: "390-de-200", width: 390, height: 844, textSize: 200 },
    { name: "320-de", width: 320, height: 640 },
    { name: "1024-de", width: 1024, height: 768, colorScheme: "dark" },
  ],
  "ar-EG": [
    { name: "320-ar-200", width: 320, height: 640, textSize: 200 },
    { name: "390-ar", width: 390, height: 844, colorScheme: "dark" },
  ],
};

testLooks("phone", SCREENS, {
  looks: LOOKS,
  Fake: FakeService,
  options: { ...PHONE, serviceWorkers: "block" },
  checks: [smallTargets],
});
