// What each role does in the console's office, against real services: an agency registers, is approved, and gets its
// people. Every area that a role is offered is opened, and the services refuse nothing. With MAYDAY_DIST the pages come
// from dist/, as in console.test.mjs.
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { words } from "./browser.mjs";
import { DESK, Desks } from "./desks.mjs";

const AGENCY = "Festival Help Kraków";
const OWNER = { email: "olga@festival.example", password: "the password of Olga" };

let desks;
before(async () => {
  desks = await Desks.up();
});
after(() => desks?.down());

/** Accounts that the stories before have made, by role. */
const accounts = {};

/** A desk that takes a refusal of a service for an error, and knows which calls are not answered yet. */
async function open(address) {
  const desk = await desks.open({ ...DESK, permissions: ["clipboard-read", "clipboard-write"] }, address);
  const { page, errors } = desk;
  const calls = new Set();
  const answers = new EventEmitter();
  const isCall = (request) => /\/(organizer|messenger)\//.test(request.url());
  page.on("request", (request) => isCall(request) && calls.add(request));
  const ended = (request) => calls.delete(request) && answers.emit("answer");
  page.on("requestfinished", ended);
  page.on("requestfailed", ended);
  page.on("response", (response) => {
    if (response.status() === 403) errors.push(`403: ${response.request().method()} ${response.url()}`);
  });
  return { ...desk, calls, answers };
}

/** A screen asks for what it shows after it was painted for the first time, and may then ask for more. */
async function settle({ page, calls, answers }) {
  const painted = () =>
    new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))));
  await page.evaluate(painted);
  while (calls.size > 0) {
    await once(answers, "answer");
    await page.evaluate(painted);
  }
}

async function fill(page, values) {
  for (const [label, value] of Object.entries(values)) await page.getByLabel(label, { exact: true }).fill(value);
}

const press = (page, name) => page.getByRole("button", { name, exact: true }).click();
const area = (page, name) => page.locator(".areas").getByRole("link", { name, exact: true });
const heading = (page, name) => page.getByRole("heading", { level: 1, name }).waitFor();
const notice = (page, text) => page.locator(".toast", { hasText: words(text) }).waitFor();

async function signIn({ email, password }, address = "/console") {
  const desk = await open(address);
  await fill(desk.page, { "E-mail address": email, Password: password });
  await press(desk.page, "Sign in");
  await desk.page.locator(".bar").waitFor();
  return desk;
}

/** Opens every area that is offered, and the profile, and waits until each has read what it shows. */
async function openEveryArea(desk) {
  const { page, errors } = desk;
  const links = page.locator(".areas a");
  const names = await links.allTextContents();
  for (const name of names) {
    await area(page, name).click();
    await page.locator(".areas [aria-current]", { hasText: name }).waitFor();
    await page.locator("main.live, main.page h1").first().waitFor();
    await settle(desk);
    assert.deepEqual(await page.locator("main .problem").allTextContents(), [], name);
  }
  await page.locator(".who").click();
  await heading(page, "Profile");
  await settle(desk);
  assert.deepEqual(errors, []);
  return names;
}

/** Fills in a new account, and returns what is handed over. */
async function add(page, { first, last, email, role }) {
  await fill(page, { "First name": first, "Last name": last, "E-mail address": email });
  await fill(page, { "Phone number": "+48 600 100 200" });
  await page.getByLabel("Role").selectOption({ label: role });
  assert.equal(await page.getByLabel("Password").getAttribute("type"), "password");
  const password = await page.getByLabel("Password").inputValue();
  assert.match(password, /^([a-z2-9]{4}-){6}[a-z2-9]{4}$/);
  await press(page, "Add");
  await heading(page, words(`${first} ${last} can sign in now`));
  await press(page, "Copy");
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  assert.deepEqual(copied.split("\n").slice(1), [email, password]);
  await page.getByRole("link", { name: "Done" }).click();
  return { email, password };
}

async function leave({ context, errors }) {
  assert.deepEqual(errors, []);
  await context.close();
}

test("the superadmin creates an administrator", async () => {
  const desk = await signIn(desks.system.ready.superadmin);
  const { page } = desk;
  assert.deepEqual(await openEveryArea(desk), ["Agencies", "Record"]);
  await area(page, "Agencies").click();
  await page.getByRole("link", { name: "Administrators" }).click();
  await page.getByRole("link", { name: "Add an administrator" }).click();
  accounts.admin = await add(page, {
    first: "Ada",
    last: "Admin",
    email: "ada@mayday.example",
    role: "Administrator",
  });
  await page.locator(".people").getByText("Ada Admin").waitFor();
  await leave(desk);
});

test("an agency registers, and an administrator approves it", async () => {
  const door = await open("/console");
  await door.page.getByRole("link", { name: "Register an agency" }).click();
  await fill(door.page, {
    "Name of the agency": AGENCY,
    Address: "Rynek Główny 1, Kraków",
    Website: "https://festival.example",
    "First name": "Olga",
    "Last name": "Owner",
    "E-mail address": OWNER.email,
    "Phone number": "600 100 200",
    Password: OWNER.password,
    "The password again": OWNER.password,
  });
  await press(door.page, "Register");
  await door.page.locator("#phoneNumber-problem").waitFor();
  // What was typed survives a reload, but for the passwords.
  await door.page.reload();
  assert.equal(await door.page.getByLabel("Name of the agency").inputValue(), AGENCY);
  await fill(door.page, { "Phone number": "+48 600 100 200", Password: OWNER.password });
  await fill(door.page, { "The password again": OWNER.password });
  await press(door.page, "Register");
  await heading(door.page, words(`${AGENCY} is registered`));
  await door.page.getByRole("link", { name: "To the sign-in" }).click();
  await fill(door.page, { "E-mail address": OWNER.email, Password: OWNER.password });
  await press(door.page, "Sign in");
  await door.page.getByText("not approved yet").waitFor();

  const desk = await signIn(accounts.admin);
  const { page } = desk;
  assert.deepEqual(await openEveryArea(desk), ["Agencies", "Record"]);
  await area(page, "Agencies").click();
  await page.getByRole("link", { name: "Administrators" }).click();
  await page.locator(".people").getByText("Super Admin", { exact: true }).waitFor();
  assert.equal(await page.getByRole("link", { name: "Add an administrator" }).count(), 0);
  await area(page, "Agencies").click();
  await page.locator(".agencies").first().getByRole("link", { name: AGENCY }).click();
  await press(page, "Approve");
  await page.getByRole("dialog").getByRole("button", { name: "Approve" }).click();
  await notice(page, `${AGENCY} is approved.`);
  await page.getByRole("button", { name: "Withdraw approval" }).waitFor();
  await press(door.page, "Sign in");
  await door.page.locator(".bar").waitFor();
  await Promise.all([leave(desk), leave({ ...door, errors: door.errors })]);
});

test("an administrator previews the agency, changes it, and leaves", async () => {
  const desk = await signIn(accounts.admin);
  const { page } = desk;
  await page.getByRole("link", { name: AGENCY }).click();
  await press(page, "Look into the agency");
  await page.locator(".preview", { hasText: words(`You see the agency ${AGENCY}`) }).waitFor();
  const areas = await openEveryArea(desk);
  assert.deepEqual(areas, ["Agencies", "Incidents", "Events", "People", "Agency", "Record"]);
  await area(page, "Agency").click();
  await page.getByLabel("Most open chats per person").fill("five");
  await press(page.locator("section", { hasText: "Settings" }), "Save");
  await page.getByText("Write a whole number").waitFor();
  await page.getByLabel("Most open chats per person").fill("5");
  await press(page.locator("section", { hasText: "Settings" }), "Save");
  await notice(page, "Saved.");
  // A second tab is in the preview, too, and leaves it with this one.
  const other = await desk.context.newPage();
  await other.goto(desks.address("/console/people"));
  await other.locator(".people").getByText("Ada Admin").waitFor();
  await press(page, "Leave the preview");
  await page.getByRole("button", { name: "Withdraw approval" }).waitFor();
  assert.equal(await page.locator(".preview").count(), 0);
  await other.getByText("There is nothing at this address").waitFor();
  assert.equal(await other.locator(".preview").count(), 0);
  await area(page, "Record").click();
  await page.locator(".record li").filter({ hasText: "Ada Admin" }).first().waitFor();
  await leave(desk);
});

test("the owner adds a manager, and sees the record with its proof", async () => {
  const desk = await signIn(OWNER, "/console/people");
  const { page } = desk;
  const areas = await openEveryArea(desk);
  const all = ["Live", "Incidents", "Events", "Archive", "Figures", "People", "Agency", "Record"];
  assert.deepEqual(areas, all);
  await area(page, "People").click();
  await page.getByRole("link", { name: "Add a person" }).click();
  const roles = await page.getByLabel("Role").locator("option").allTextContents();
  assert.deepEqual(roles, ["Manager", "Support"]);
  await fill(page, { "First name": "Mariam", "Last name": "Manager", "E-mail address": OWNER.email });
  await fill(page, { "Phone number": "+48 600 100 201" });
  await press(page, "Add");
  await page.getByText("This is already taken.").waitFor();
  accounts.manager = await add(page, {
    first: "Mariam",
    last: "Manager",
    email: "mariam@festival.example",
    role: "Manager",
  });
  await page.locator(".people").getByText("Mariam Manager").waitFor();

  await area(page, "Record").click();
  const proof = page.getByText(words("The chain holds:"));
  await proof.waitFor();
  const head = await page.locator(".proof .head").textContent();
  const downloading = page.waitForEvent("download");
  await press(page, "Download the chain");
  const rows = JSON.parse(await readFile(await (await downloading).path(), "utf8"));
  assert.equal(rows.at(-1).hash, head);
  const limit = page.locator(".record li").filter({ hasText: "Most open chats per person" });
  await limit.getByText("5", { exact: true }).waitFor();
  assert.equal(await page.locator(".record li").count(), rows.length);
  await page.getByLabel("Whose changes").selectOption({ label: "Olga Owner" });
  await page.waitForURL(/user=\d+/);
  await limit.waitFor({ state: "detached" });
  await leave(desk);
});

test("a manager adds support, and may not touch the owner", async () => {
  const desk = await signIn(accounts.manager);
  const { page } = desk;
  const areas = await openEveryArea(desk);
  assert(areas.includes("Record"));
  await area(page, "People").click();
  await page.locator(".people").getByText("Olga Owner").click();
  await page.getByText("whose role is below yours").waitFor();
  assert.equal(await page.getByRole("button", { name: "Save" }).count(), 0);
  await page.goBack();
  await page.getByRole("link", { name: "Add a person" }).click();
  accounts.support = await add(page, {
    first: "Sam",
    last: "Support",
    email: "sam&ewa@festival.example",
    role: "Support",
  });
  await page.locator(".people").getByText("Sam Support").click();
  assert.equal(await page.locator("a[href^=mailto]").getAttribute("href"), "mailto:sam%26ewa@festival.example");
  await page.getByLabel("Phone number").fill("+48 600 100 299");
  await press(page, "Save");
  await notice(page, "Saved.");
  await area(page, "Agency").click();
  await page.getByText("Only owners can change this.").waitFor();
  await area(page, "Record").click();
  await page.locator(".record li").filter({ hasText: "+48 600 100 299" }).first().waitFor();
  assert.equal(await page.locator(".proof").count(), 0);
  await leave(desk);
});

test("support sees less, and changes the own password without leaving", async () => {
  const desk = await signIn(accounts.support);
  const phone = await signIn(accounts.support);
  const { page } = desk;
  const isLive = ({ page }) => page.locator(".trust", { hasText: /^Live$/ }).waitFor();
  await Promise.all([isLive(desk), isLive(phone)]);
  await openEveryArea(desk);
  await area(page, "People").click();
  await page.locator(".people").getByText("Mariam Manager").waitFor();
  assert.equal(await page.getByRole("link", { name: "Add a person" }).count(), 0);
  await area(page, "Agency").click();
  await page.getByText("Only owners can change this.").waitFor();
  assert.equal(await page.getByRole("button", { name: "Delete the agency" }).count(), 0);

  await page.locator(".who").click();
  const changed = "a new password of Sam";
  await fill(page, { "Present password": "not the present one", "New password": changed });
  await fill(page, { "The new password again": changed });
  await press(page, "Change the password");
  await page.getByText("This is not your present password.").waitFor();
  await fill(page, { "Present password": accounts.support.password });
  await press(page, "Change the password");
  await notice(page, "The password is changed.");
  await phone.page.getByText("Your sign-in has ended").waitFor();
  await isLive(desk);
  await openEveryArea(desk);
  accounts.support.password = changed;
  await Promise.all([leave(desk), phone.context.close()]);
});

test("an agency whose approval is withdrawn is signed out until it is approved again", async () => {
  const [desk, sam] = await Promise.all([signIn(accounts.admin), signIn(accounts.support)]);
  const { page } = desk;
  await page.getByRole("link", { name: AGENCY }).click();
  await press(page, "Withdraw approval");
  await page.getByRole("dialog").getByText("also in the middle of a chat").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Withdraw approval" }).click();
  await notice(page, `The approval of ${AGENCY} is withdrawn.`);
  await sam.page.getByText("Your sign-in has ended").waitFor();
  await fill(sam.page, { Password: accounts.support.password });
  await press(sam.page, "Sign in");
  await sam.page.getByText("not approved yet, or not any more").waitFor();
  await press(page, "Approve");
  await page.getByRole("dialog").getByRole("button", { name: "Approve" }).click();
  await notice(page, `${AGENCY} is approved.`);
  await press(sam.page, "Sign in");
  await sam.page.locator(".bar").waitFor();
  await leave(desk);
  await sam.context.close();
});

test("who is deleted is signed out, and an agency goes with its people", async () => {
  const sam = await signIn(accounts.support);
  const olga = await signIn(OWNER, "/console/people");
  const { page } = olga;
  await page.locator(".people").getByText("Sam Support").click();
  await page.getByRole("button", { name: "Delete this person" }).click();
  await page.getByRole("dialog").getByText("back to the head of the queue").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Yes, delete" }).click();
  await notice(page, "Sam Support is deleted.");
  await sam.page.getByText("Your sign-in has ended").waitFor();
  assert.equal(await page.locator(".people").getByText("Sam Support").count(), 0);

  const mariam = await signIn(accounts.manager);
  await area(page, "Agency").click();
  await page.getByRole("button", { name: "Delete the agency" }).click();
  const last = page.getByRole("button", { name: "Delete for good" });
  assert(await last.isDisabled());
  await page.getByRole("dialog").getByRole("textbox").fill(AGENCY);
  await last.click();
  await heading(page, "Sign in to the console");
  await mariam.page.getByText("Your sign-in has ended").waitFor();
  await Promise.all([sam, olga, mariam].map(({ context }) => context.close()));
});

test("an administrator who is deleted learns of it at the next call", async () => {
  const [desk, ada] = await Promise.all([signIn(desks.system.ready.superadmin), signIn(accounts.admin)]);
  const { page } = desk;
  await page.getByRole("link", { name: "Administrators" }).click();
  await page.getByRole("link", { name: "Ada Admin" }).click();
  await page.getByLabel("Phone number").fill("+48 600 100 222");
  await press(page, "Save");
  await notice(page, "Saved.");
  await press(page, "Delete this person");
  await page.getByRole("dialog").getByRole("button", { name: "Yes, delete" }).click();
  await notice(page, "Ada Admin is deleted.");
  await area(ada.page, "Record").click();
  await ada.page.getByText("Your sign-in has ended").waitFor();
  await leave(desk);
  await ada.context.close();
});
