// The screens of the events. What is checked of each is in looks.mjs.
import assert from "node:assert/strict";
import { HOSTILE } from "./checks.mjs";
import { fillEvents, PLAN_IMAGE } from "./fake-events.mjs";
import { signIn, testScreens } from "./looks.mjs";

const MANAGER = 3;

/** Opens an address as a manager of an agency with events. */
async function open(page, team, address, role = MANAGER) {
  team.user.role = role;
  if (!team.contacts) fillEvents(team);
  await signIn(page, { address });
  await page.locator(".page h1").waitFor();
}

const map = (page) => page.locator(".event-pin").first().waitFor();

testScreens("events", {
  list: async (page, team) => {
    await open(page, team, "/console/events");
    await page.locator(".entry").nth(9).waitFor({ state: "attached" });
  },
  many: async (page, team) => {
    fillEvents(team);
    const last = team.events.at(-1);
    team.events.push(
      ...Array.from({ length: 600 }, (_, index) => ({ ...last, id: 100 + index, name: `Day ${index}` })),
    );
    await open(page, team, "/console/events");
    // What is far below is not made before somebody looks.
    await page.locator(".entry").nth(99).waitFor();
    assert.equal(await page.locator(".entry").count(), 100);
    await page.locator(".entry").nth(99).scrollIntoViewIfNeeded();
    await page.locator(".entry").nth(150).waitFor();
    await page.getByRole("searchbox").fill("Day 599");
    await page.locator(".entry").nth(1).waitFor({ state: "detached" });
  },
  none: async (page, team) => {
    fillEvents(team);
    team.events = [];
    await open(page, team, "/console/events");
    await page.locator(".nothing").waitFor();
  },
  "not-found": async (page, team) => {
    await open(page, team, "/console/events?q=Derby%20Warszawa");
    await page.locator(".nothing").waitFor();
  },
  event: async (page, team) => {
    await open(page, team, "/console/events/1");
    await page.locator(".contact").nth(1).waitFor();
    await map(page);
  },
  "event-of-support": async (page, team) => {
    await open(page, team, "/console/events/2", 4);
    await page.locator(".nothing").waitFor();
    await map(page);
  },
  delete: async (page, team) => {
    await open(page, team, "/console/events/1");
    await map(page);
    await page.locator(".page > header button").click();
    await page.locator("dialog").waitFor();
  },
  new: async (page, team) => {
    await open(page, team, "/console/events/new");
    await page.locator(".leaflet-container").waitFor();
  },
  "new-empty": async (page, team) => {
    await open(page, team, "/console/events/new");
    await page.locator(".leaflet-container").waitFor();
    await page.locator("[type=submit]").click();
    await page.locator(".field .problem").nth(6).waitFor();
  },
  refused: async (page, team) => {
    await open(page, team, "/console/events/1/edit");
    await map(page);
    await page.locator("[name=name]").fill("");
    await page.locator("textarea[name=description]").fill("");
    await page.locator("[type=submit]").click();
    await page.locator("#description-problem").waitFor();
  },
  "wrong-end": async (page, team) => {
    await open(page, team, "/console/events/1/edit");
    await page.locator("[name=timeEnd]").fill("2020-01-01T10:00");
    await page.locator("[type=submit]").click();
    await page.locator("#timeEnd-problem").waitFor();
  },
  contact: async (page, team) => {
    await open(page, team, "/console/events/1/contacts/1");
    await page.locator("[name=email]").waitFor();
  },
  plan: async (page, team) => {
    await open(page, team, "/console/events/1/plan");
    await page.locator(".plan-corner").nth(1).waitFor();
  },
  poster: async (page, team) => {
    await open(page, team, "/console/events/1/poster");
    await page.locator("svg.qr").waitFor();
    await page.locator(".poster-phone").waitFor();
  },
  "poster-few": async (page, team) => {
    await open(page, team, "/console/events/1/poster?languages=pl,en&phone=no");
    await page.locator("svg.qr").waitFor();
  },
  hostile: async (page, team) => {
    fillEvents(team);
    const [event] = team.events;
    const [contact] = team.contacts;
    team.events = [
      { ...event, name: HOSTILE.slice(0, 200), description: HOSTILE.slice(0, 2000), address: HOSTILE.slice(0, 400) },
    ];
    team.contacts = [{ ...contact, firstName: HOSTILE.slice(0, 100), email: `${"w".repeat(300)}@example.org` }];
    team.contacts[0].additionalNotes = HOSTILE.slice(0, 2000);
    team.plan = { ...team.plan, image: PLAN_IMAGE };
    await open(page, team, "/console/events/1");
    await page.locator(".contact").waitFor();
    await map(page);
  },
  "hostile-list": async (page, team) => {
    fillEvents(team);
    team.events = team.events.map((event) => ({
      ...event,
      name: HOSTILE.slice(0, 200),
      address: HOSTILE.slice(0, 400),
    }));
    await open(page, team, "/console/events");
    await page.locator(".entry").first().waitFor();
  },
  "hostile-poster": async (page, team) => {
    fillEvents(team);
    team.events = [{ ...team.events[0], name: HOSTILE.slice(0, 200) }];
    await open(page, team, "/console/events/1/poster");
    await page.locator("svg.qr").waitFor();
    await page.locator(".poster-phone").waitFor();
  },
});
