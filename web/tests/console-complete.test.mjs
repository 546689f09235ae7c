// Accounts that have to be complete: until they are, the console shows what is to be done, and nothing else.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { launchBrowser } from "./browser.mjs";
import { openOffice } from "./fake-people.mjs";
import { signIn } from "./looks.mjs";

const CODE = "287082";
const BOTH = "Two steps before you can begin: choose a password of your own, then set up a second factor.";
const PASSWORD =
  "One step before you can begin: choose a password of your own, since somebody else has chosen this one.";
const FACTOR = "One step before you can begin: set up a second factor.";

let browser;
let context;
let page;
let team;
let office;
let errors;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser?.close());
beforeEach(async () => {
  ({ context, page, team, office, errors } = await openOffice(browser));
});
afterEach(async () => {
  assert.deepEqual(errors, []);
  assert.deepEqual(team.refused, []);
  await context.close();
});

const press = (name) => page.getByRole("button", { name, exact: true }).click();
const field = (label) => page.getByLabel(label, { exact: true });
const told = (text) => page.locator(".page > .notice:focus").getByText(text, { exact: true }).waitFor();

async function assertNothingElse() {
  assert.equal(await page.locator(".areas, .trust, .preview, .live").count(), 0);
  assert.equal(team.sockets.size, 0);
}

async function choosePassword() {
  await field("Present password").fill("the password of a senior");
  await field("New password").fill("the own password of Sam");
  await field("The new password again").fill("the own password of Sam");
  await press("Change the password");
  await page.locator(".toast", { hasText: "The password is changed." }).waitFor();
}

async function turnOn() {
  await press("Turn on");
  await field("Present password").fill("the own password of Sam");
  await press("Next");
  await field("Code of the app").fill(CODE);
  await press("Turn on");
  await page.locator(".codes").waitFor();
}

test("a password and a second factor are asked for one after the other, and then the live side is there", async () => {
  Object.assign(team.user, { role: 3, mustChangePassword: true, mustHaveSecondFactor: true });
  await signIn(page);
  await told(BOTH);
  assert.equal(await page.getByRole("button", { name: "Turn on" }).count(), 0);
  await assertNothingElse();
  await choosePassword();
  await told(FACTOR);
  assert.equal(await field("New password").count(), 0);
  await assertNothingElse();
  await turnOn();
  await assertNothingElse();
  await press("Done");
  await page.locator("main.live").waitFor();
  await page.locator(".trust:not(.stale)").waitFor();
  await page.locator(".areas").waitFor();
});

test("whoever has a second factor is asked for a code when the password changes", async () => {
  Object.assign(team.user, { mustChangePassword: true });
  office.withSecondFactor.add(team.user.id);
  await signIn(page);
  await told(PASSWORD);
  await field("Code of your app, or a recovery code").fill(CODE);
  team.code = CODE;
  await choosePassword();
  await page.locator("main.live").waitFor();
});

test("an address of the console waits until the account is complete", async () => {
  Object.assign(team.user, { role: 2, mustChangePassword: true });
  await signIn(page, { address: "/console/people" });
  await told(PASSWORD);
  await assertNothingElse();
  await choosePassword();
  await page.locator(".people li").last().waitFor();
  assert.equal(new URL(page.url()).pathname, "/console/people");
});

test("the address of the profile leads on to the first area", async () => {
  Object.assign(team.user, { role: 1, agencyId: null, mustHaveSecondFactor: true });
  await signIn(page, { address: "/console/profile" });
  await told(FACTOR);
  await turnOn();
  await press("Done");
  await page.locator(".people li").last().waitFor();
  assert.equal(new URL(page.url()).pathname, "/console");
});

test("an administrator in preview is asked first, too", async () => {
  Object.assign(team.user, { role: 1, mustHaveSecondFactor: true });
  await signIn(page);
  await told(FACTOR);
  await assertNothingElse();
});

test("a reload keeps the step, and goes on when the account is complete by then", async () => {
  Object.assign(team.user, { mustHaveSecondFactor: true, role: 2 });
  await signIn(page);
  await told(FACTOR);
  await page.reload();
  await told(FACTOR);
  await turnOn();
  await page.reload();
  await page.locator("main.live").waitFor();
});

test("somebody who turns off a second factor that is needed comes back to the step", async () => {
  team.user.role = 2;
  office.withSecondFactor.add(team.user.id);
  await signIn(page, { address: "/console/profile" });
  await press("Turn off");
  const form = page.locator(".second-factor form");
  await form.locator("#field-password").fill("right");
  await form.locator("#field-code").fill(CODE);
  team.user.mustHaveSecondFactor = true;
  await press("Turn off");
  await told(FACTOR);
  await page.locator(".areas").waitFor({ state: "detached" });
  // The strip of the console may have asked in between.
  team.refused.length = 0;
});

test("a refusal of a running console leads to the step", async () => {
  team.user.role = 2;
  await signIn(page, { address: "/console/people" });
  await page.locator(".people li").last().waitFor();
  team.user.mustHaveSecondFactor = true;
  await page.locator(".people a").last().click();
  await told(FACTOR);
  team.refused.length = 0;
});

test("a socket that is closed to an account that is not complete leads to the step", async () => {
  await signIn(page);
  await page.locator(".trust", { hasText: /^Live$/ }).waitFor();
  team.user.mustHaveSecondFactor = true;
  team.serve = (socket) => socket.close({ code: 4500 });
  for (const socket of team.sockets) await socket.close({ code: 4500 });
  await told(FACTOR);
  team.refused.length = 0;
});
