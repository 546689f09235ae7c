// The support team's work, in a real browser and with real services.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { picture, words } from "./browser.mjs";
import { DESK, Desks, isLive, signIn } from "./desks.mjs";

let desks;
let system;
before(async () => {
  desks = await Desks.up();
  system = desks.system;
});
after(() => desks?.down());

const messageOf = (page, text) => page.locator(".message", { hasText: text });
const answer = (page) => page.getByLabel("Your answer");
const waits = (page, count) => page.locator(".figures dd").first().getByText(String(count), { exact: true }).waitFor();

async function takeNext(page) {
  await waits(page, 1);
  await page.keyboard.press("n");
  await answer(page).waitFor();
  await page.waitForFunction(() => document.activeElement?.matches("textarea"));
}

async function write(page, text) {
  await answer(page).fill(text);
  await answer(page).press("Enter");
}

test("a person presses, is answered by the keyboard alone, and the chat is closed", async () => {
  const desk = await desks.open(DESK, "/console");
  const { page } = desk;
  await signIn(page, { ...system.ready.demo.support, password: "not the password" });
  const password = page.getByLabel("Password");
  await page.getByText("The e-mail address or the password is wrong.").waitFor();
  assert.equal(await password.getAttribute("aria-invalid"), "true");
  await password.fill(system.ready.demo.support.password);
  await password.press("Enter");
  await isLive(page);
  await waits(page, 0);

  const phone = await desks.person();
  await takeNext(page);
  await phone.page.locator(".there").waitFor();
  await page.locator(".facts").getByText("Injury or illness").waitFor();
  await page.locator(".facts a[href^='geo:50.06']").waitFor();
  await page.locator(".facts").getByText("±12 m").waitFor();
  await page.keyboard.type("/hurt");
  await page.getByRole("option", { name: "Are you hurt?" }).waitFor();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  await messageOf(phone.page, "Are you hurt?").waitFor();
  await messageOf(page, "Are you hurt?").getByText("Read").waitFor();
  await phone.page.getByRole("button", { name: "I am hurt" }).click();
  await messageOf(page, "I am hurt").waitFor();
  await messageOf(phone.page, "I am hurt").last().getByText("Read").waitFor();
  await page.getByText("Your turn").waitFor();
  await write(page, "Two of us are on the way.");
  await messageOf(phone.page, "on the way").waitFor();
  // On a screen with room for it the map is beside the chat.
  await page.setViewportSize({ width: 1440, height: 810 });
  await page.locator(".map-pin").waitFor();
  await picture(page, "console-live");
  await page.setViewportSize(DESK.viewport);

  // What is not sent survives a reload, and so does the place where one was.
  await answer(page).fill("Stay where");
  await page.reload();
  await isLive(page);
  await messageOf(page, "on the way").waitFor();
  assert.equal(await answer(page).inputValue(), "Stay where");

  await answer(page).fill("");
  await page.keyboard.press("Alt+c");
  await page
    .getByText(/closes in/)
    .first()
    .waitFor();
  await page.keyboard.press("z");
  await answer(page).waitFor();
  await page.keyboard.press("Alt+c");
  await phone.page.getByText("The chat has ended").first().waitFor();
  await page.getByText("No open chats").waitFor();
  assert.deepEqual(desk.errors, []);
  assert.deepEqual(phone.errors, []);
  await Promise.all([desk.context.close(), phone.context.close()]);
});

test("a chat is handed over to a colleague, once there is one", async () => {
  const sam = await desks.agent(system.ready.demo.support);
  // Who waits for the next gets it without another press of a key.
  await sam.page.keyboard.press("w");
  await sam.page.getByText("opens here by itself").waitFor();
  const phone = await desks.phone();
  await phone.page.locator("button.press").click();
  await answer(sam.page).waitFor();
  await write(sam.page, "Sam is here.");
  await messageOf(phone.page, "Sam is here.").waitFor();
  await sam.page.keyboard.press("Escape");
  await sam.page.keyboard.press("h");
  const colleagues = sam.page.getByRole("dialog");
  await colleagues.getByText("No colleague is here").waitFor();
  assert.equal(await colleagues.getByRole("button", { name: /Olga/ }).count(), 0);
  const olga = await desks.agent(system.ready.demo.owner);
  await olga.page.keyboard.press("w");
  await colleagues.getByRole("button", { name: /Olga.*waits for the next.*0 chats/s }).click();
  await answer(olga.page).waitFor();
  await sam.page.getByText("No open chats").waitFor();
  await messageOf(olga.page, "Sam is here.").waitFor();
  await write(olga.page, "Olga is here.");
  await messageOf(phone.page, "Olga is here.").waitFor();
  await olga.page.keyboard.press("Alt+c");
  await phone.page.getByText("The chat has ended").first().waitFor();
  assert.deepEqual([...sam.errors, ...olga.errors], []);
  await Promise.all([sam, olga, phone].map(({ context }) => context.close()));
});

test("the strip tells the truth while a sidecar is away, and what was written meanwhile arrives", async () => {
  const desk = await desks.agent(system.ready.demo.support);
  const phone = await desks.person();
  await takeNext(desk.page);
  await phone.page.locator(".there").waitFor();
  await desk.page.clock.install();
  await desk.context.setOffline(true);
  system.kill("sidecar-1");
  await desk.page.getByText(words("No network: as of")).waitFor();
  assert(await desk.page.getByRole("button", { name: "Take next" }).isDisabled());
  await write(desk.page, "Written without network");
  await messageOf(desk.page, "Written without network").getByText("Not sent yet").waitFor();
  await desk.context.setOffline(false);
  await isLive(desk.page);
  await messageOf(phone.page, "Written without network").waitFor();
  await desk.page.keyboard.press("Alt+c");
  await desk.page.clock.fastForward(6000);
  await phone.page.getByText("The chat has ended").first().waitFor();
  await Promise.all([desk, phone].map(({ context }) => context.close()));
});

/** Runs in the page. Looks all the time whether the strip says "Live" where no socket is open. */
function watchStrip() {
  const sockets = [];
  globalThis.WebSocket = class extends WebSocket {
    constructor(...args) {
      super(...args);
      sockets.push(this);
    }
  };
  globalThis.lies = [];
  setInterval(() => {
    const isOpen = sockets.some(({ readyState }) => readyState === WebSocket.OPEN);
    const strip = document.querySelector(".trust");
    if (strip && !strip.matches(".stale") && !isOpen) globalThis.lies.push(strip.textContent);
  }, 10);
}

test("Redis and a sidecar go away in the middle: the strip never says Live where nothing is", async () => {
  const desk = await desks.open(DESK, "/console", watchStrip);
  await signIn(desk.page, system.ready.demo.support);
  await isLive(desk.page);
  const phone = await desks.person();
  await takeNext(desk.page);
  // Without Redis everything goes on, a little later.
  system.kill("redis");
  await write(desk.page, "Written without Redis");
  await messageOf(phone.page, "Written without Redis").waitFor();
  await phone.page.getByRole("button", { name: "I am hurt" }).click();
  await messageOf(desk.page, "I am hurt").waitFor();
  assert(await desk.page.locator(".trust:not(.stale)").isVisible());

  const stale = desk.page.locator(".trust.stale").waitFor();
  system.kill("sidecar-1");
  await stale;
  await write(desk.page, "Written without a sidecar");
  await isLive(desk.page);
  await messageOf(phone.page, "Written without a sidecar").waitFor();
  assert.deepEqual(await desk.page.evaluate(() => globalThis.lies), []);
  await desk.page.keyboard.press("Alt+c");
  await phone.page.getByText("The chat has ended").first().waitFor();
  await Promise.all([desk, phone].map(({ context }) => context.close()));
});

test("an incident of a chat takes two keys, and the person's earlier chats are beside it", async () => {
  const desk = await desks.agent(system.ready.demo.support);
  const { page } = desk;
  const phone = await desks.phone();
  const press = async (button) => {
    await phone.page.getByRole("button", { name: button }).click();
    await takeNext(page);
    await phone.page.locator(".there").waitFor();
  };
  await phone.page.getByLabel("Threat or violence").check();
  await phone.page.getByLabel("A few words").fill("Two men follow me from gate 4");
  await press("I need help");
  await page.keyboard.press("Alt+i");
  const name = page.getByLabel("Name", { exact: true });
  await name.waitFor();
  assert.equal(await name.inputValue(), "Threat or violence: Two men follow me from gate 4");
  assert.match(await page.getByLabel("Description").inputValue(), /Two men follow me.*50\.0614/s);
  assert.equal(await page.getByLabel("Priority").inputValue(), "high");
  await page.keyboard.press("Enter");
  await page.getByText("The incident is saved.").first().waitFor();
  const link = await page.getByRole("link", { name: "Open it" }).getAttribute("href");
  const { token } = await system.organizerApi().signIn(system.ready.demo.owner);
  const [issue] = (await system.organizerApi(token).issues.list()).items.slice(-1);
  assert.equal(link, `/console/incidents/${issue.id}`);
  assert.equal(issue.priority, "high");
  assert.equal(issue.eventId, system.event);

  await page.locator(".figures.shares dd", { hasText: "%" }).first().waitFor();
  await page.keyboard.press("Alt+c");
  await phone.page.getByText("The chat has ended").first().waitFor();
  await press("I need help again");
  await page.keyboard.press("Alt+p");
  const earlier = page.locator(".history summary", { hasText: "Two men follow me from gate 4" });
  await earlier.getByText("Sam Support").waitFor();
  await earlier.press("Enter");
  await page.locator(".history-messages li").first().waitFor();
  await page.keyboard.press("Escape");
  await page.locator(".history").waitFor({ state: "detached" });
  await page.keyboard.press("Alt+c");
  await phone.page.getByText("The chat has ended").first().waitFor();
  assert.deepEqual(desk.errors, []);
  await Promise.all([desk, phone].map(({ context }) => context.close()));
});

test("a role that changes is told; who may not work any more sees whom they can still call", async () => {
  const { support, owner } = system.ready.demo;
  const desk = await desks.agent(support);
  const { page } = desk;
  const [ownerIn, adminIn] = await Promise.all([
    system.organizerApi().signIn(owner),
    system.organizerApi().signIn(system.ready.superadmin),
  ]);
  const { users } = system.organizerApi(ownerIn.token);
  const sam = (await users.list()).items.find(({ email }) => email === support.email);
  await users.edit(sam.id, { role: 3 });
  await page.locator(".toast", { hasText: words("Your role has changed: you are Manager now") }).waitFor();
  await isLive(page);
  await users.edit(sam.id, { role: 4 });
  await page.locator(".toast", { hasText: words("Your role has changed: you are Support now") }).waitFor();
  await isLive(page);

  const phone = await desks.person();
  await takeNext(page);
  await answer(page).fill("Half a sentence");
  const { admin } = system.organizerApi(adminIn.token);
  await admin.verifyAgency(sam.agencyId, false);
  await page.getByText("your agency is not approved any more").waitFor();
  await page.getByRole("heading", { name: "Your open chats" }).waitFor();
  await page.getByLabel("Password").fill(support.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("Your agency is not approved yet, or not any more").waitFor();
  await admin.verifyAgency(sam.agencyId, true);
  await page.getByLabel("Password").fill(support.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await isLive(page);
  await answer(page).waitFor();
  assert.equal(await answer(page).inputValue(), "Half a sentence");
  await page.keyboard.press("Alt+c");
  await phone.page.getByText("The chat has ended").first().waitFor();
  assert.deepEqual(desk.errors, []);
  await Promise.all([desk, phone].map(({ context }) => context.close()));
});

test("two tabs of one person sign out and in together, and share their settings", async () => {
  const desk = await desks.agent(system.ready.demo.support);
  const second = await desk.context.newPage();
  await second.goto(desks.address("/console/events"));
  await second.getByRole("link", { name: "Live", exact: true }).waitFor();
  await desk.page.getByRole("button", { name: "Settings" }).click();
  await desk.page.getByLabel("Language").selectOption("de");
  await second.getByRole("link", { name: "Veranstaltungen" }).waitFor();
  await desk.page.getByLabel("Sprache").selectOption("en");
  await second.getByRole("link", { name: "Events" }).waitFor();
  await desk.page.getByRole("button", { name: "Sign out" }).click();
  await second.getByLabel("Password").waitFor();
  assert.equal(await second.getByText("Your sign-in has ended").count(), 0);
  await signIn(second, system.ready.demo.support);
  await isLive(desk.page);
  await isLive(second);
  assert.deepEqual(desk.errors, []);
  await desk.context.close();
});

test("a token that has ended leads to the sign-in and back to the chat; administrators have no live side", async () => {
  const account = system.ready.demo.support;
  const desk = await desks.agent(account);
  const phone = await desks.person();
  await takeNext(desk.page);
  await answer(desk.page).fill("Half a sentence");
  const kept = await desk.page.evaluate(
    () =>
      new Promise((resolve) => {
        const request = indexedDB.open("mayday-console");
        request.onsuccess = () => {
          const read = request.result.transaction("values").objectStore("values").get("account");
          read.onsuccess = () => resolve(read.result);
        };
      }),
  );
  await system.organizerApi(kept.token).signOut();
  await desk.page.getByText("Your sign-in has ended").waitFor();
  assert.equal(await desk.page.getByLabel("E-mail address").inputValue(), account.email);
  await desk.page.getByLabel("Password").fill(account.password);
  await desk.page.getByRole("button", { name: "Sign in" }).click();
  await isLive(desk.page);
  await answer(desk.page).waitFor();
  assert.equal(await answer(desk.page).inputValue(), "Half a sentence");
  await desk.page.keyboard.press("Alt+c");
  await phone.page.getByText("The chat has ended").first().waitFor();
  await desk.page.getByRole("button", { name: "Settings" }).click();
  await desk.page.getByRole("button", { name: "Sign out" }).click();
  await signIn(desk.page, system.ready.superadmin);
  await desk.page.getByRole("heading", { name: "Agencies" }).waitFor();
  assert.equal(await desk.page.getByRole("link", { name: "Live", exact: true }).count(), 0);
  await Promise.all([desk, phone].map(({ context }) => context.close()));
});
