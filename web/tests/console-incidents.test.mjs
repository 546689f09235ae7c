// Incidents from their report to their end, in a real browser and with real services.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { words } from "./browser.mjs";
import { Desks } from "./desks.mjs";

let desks;
before(async () => {
  desks = await Desks.up();
});
after(() => desks?.down());

const comments = (page) => page.locator(".incident-comment");
const state = (page, name) => page.locator(".incident-states [aria-pressed=true]", { hasText: name }).waitFor();
const press = async (page, ...keys) => {
  for (const key of keys) await page.keyboard.press(key);
};

test("an incident is reported by one organizer, and commented and resolved by another, by the keyboard alone", async () => {
  const { support, owner } = desks.system.ready.demo;
  const [sam, olga] = await Promise.all([
    desks.agent(support, "/console/incidents"),
    desks.agent(owner, "/console/incidents"),
  ]);
  await sam.page.getByText("There are no incidents yet").waitFor();
  await olga.page.getByText("There are no incidents yet").waitFor();

  await press(sam.page, "n");
  await sam.page.getByLabel("What has happened").and(sam.page.locator(":focus")).waitFor();
  await sam.page.getByRole("button", { name: "Create incident" }).click();
  await sam.page.locator("#name-problem", { hasText: "This must not be empty." }).waitFor();
  await sam.page.getByLabel("What has happened").fill("Fence down at the north gate");
  await sam.page.getByLabel("Description").fill("Two metres wide, at 50.06143, 19.93658. Guard: +48 600 100 200");
  // What is not sent survives a reload.
  await sam.page.reload();
  await sam.page.getByLabel("Priority").selectOption("High");
  assert.equal(await sam.page.getByLabel("What has happened").inputValue(), "Fence down at the north gate");
  await sam.page.getByLabel("What has happened").press("Enter");
  await sam.page.getByRole("heading", { name: "Fence down at the north gate" }).waitFor();
  await sam.page.getByText("Two metres wide").waitFor();
  await state(sam.page, "To do");

  // Olga looks at the list, and need not reload it.
  await olga.page.clock.install();
  await olga.page.reload();
  await olga.page.getByText("Fence down at the north gate").waitFor();
  await press(olga.page, "ArrowDown", "Enter");
  await olga.page.getByText("Two metres wide").waitFor();
  const links = await olga.page.locator(".incident-text a").evaluateAll((all) => all.map(({ href }) => href));
  assert.deepEqual(links, ["geo:50.06143,19.93658", "tel:+48600100200"]);
  await press(olga.page, "2");
  await state(olga.page, "In progress");
  await press(olga.page, "c");
  await olga.page.keyboard.type("A team with tape is on the way.");
  await press(olga.page, "Control+Enter");
  await comments(olga.page).getByText("A team with tape").waitFor();
  assert.equal(await olga.page.getByLabel("Your comment").inputValue(), "");

  // Sam sees it within moments, and may not edit what is Olga's.
  await sam.page.reload();
  await comments(sam.page).getByText("A team with tape").waitFor();
  await comments(sam.page).getByText("Olga").waitFor();
  assert.equal(await comments(sam.page).getByRole("button", { name: "Edit" }).count(), 0);
  await state(sam.page, "In progress");

  await press(olga.page, "Escape", "3");
  await state(olga.page, "Resolved");
  await olga.page.getByText("Closed", { exact: true }).waitFor();
  await press(olga.page, "Escape");
  await olga.page.getByText("Nothing is open").waitFor();
  await olga.page.getByRole("button", { name: words("Resolved 1") }).click();
  await olga.page.locator(".entry").getByText("1 comment").waitFor();
  // The filter is in the address.
  await olga.page.reload();
  await olga.page.getByText("Fence down at the north gate").waitFor();
  assert.deepEqual([...sam.errors, ...olga.errors], []);
  await Promise.all([sam, olga].map(({ context }) => context.close()));
});

test("two tabs of one person stay in step, and what a colleague changes is read again", async () => {
  const { support, owner } = desks.system.ready.demo;
  const one = await desks.agent(support, "/console/incidents/new");
  await one.page.getByLabel("What has happened").fill("Water tap is dry");
  await one.page.getByLabel("Description").fill("Behind stage 2.");
  await one.page.getByRole("button", { name: "Create incident" }).click();
  await one.page.getByRole("heading", { name: "Water tap is dry" }).waitFor();
  const two = await one.context.newPage();
  await two.goto(one.page.url());
  await state(two, "To do");
  await press(one.page, "4");
  await state(two, "Cancelled");

  const olga = await desks.agent(owner, new URL(one.page.url()).pathname);
  await state(olga.page, "Cancelled");
  await olga.page.clock.install();
  await olga.page.reload();
  await state(olga.page, "Cancelled");
  await press(one.page, "2");
  await state(one.page, "In progress");
  await olga.page.clock.fastForward(16_000);
  await state(olga.page, "In progress");

  // Two people edit different fields: both edits hold.
  await press(one.page, "e");
  await one.page.getByLabel("Description").fill("Behind stage 2, on the left.");
  await press(olga.page, "e");
  await olga.page.getByLabel("Priority").selectOption("Low");
  await olga.page.getByRole("button", { name: "Save" }).click();
  await olga.page.locator(".incident-priority.low").waitFor();
  await one.page.getByRole("button", { name: "Save" }).click();
  await one.page.getByText("on the left").waitFor();
  await one.page.locator(".incident-priority.low").waitFor();

  await one.page.getByRole("button", { name: "Delete" }).click();
  await one.page.getByRole("button", { name: "Yes, delete" }).click();
  await one.page.getByText("Water tap is dry").waitFor({ state: "detached" });
  await two.getByText("This is not there any more.").waitFor();
  await Promise.all([one, olga].map(({ context }) => context.close()));
});
