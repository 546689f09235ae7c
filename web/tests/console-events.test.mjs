// An event from its first line to the first press at it, in a real browser and with real services.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { PHONE } from "./browser.mjs";
import { Desks } from "./desks.mjs";
import { scan } from "./qr.mjs";

let desks;
before(async () => {
  desks = await Desks.up();
});
after(() => desks?.down());

/** "2026-07-03T18:00", as the browser of a desk has it. */
const local = (hours) => {
  const time = new Date(Date.now() + hours * 3_600_000);
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
};

/** A picture with 1,200 × 900 pixels of noise: as PNG, it is far too large to be sent. */
async function plan(page) {
  const base64 = await page.evaluate(async () => {
    const canvas = new OffscreenCanvas(1200, 900);
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(1200, 900);
    for (let at = 0; at < pixels.data.length; at += 65_536) {
      crypto.getRandomValues(pixels.data.subarray(at, at + 65_536));
    }
    context.putImageData(pixels, 0, 0);
    const bytes = new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer());
    let text = "";
    for (const byte of bytes) text += String.fromCharCode(byte);
    return btoa(text);
  });
  return { name: "plan.png", mimeType: "image/png", buffer: Buffer.from(base64, "base64") };
}

test("an owner makes an event with a contact and a poster, and who scans it is at its button", async () => {
  const { owner, support } = desks.system.ready.demo;
  const desk = await desks.agent(owner, "/console/events");
  const { page } = desk;
  await page.locator(".entry").first().waitFor();
  await page.keyboard.press("n");
  await page.getByRole("button", { name: "Create event" }).click();
  // All that is missing is said at once.
  for (const field of ["name", "description", "address"]) {
    await page.locator(`#${field}-problem`, { hasText: "This must not be empty." }).waitFor();
  }
  for (const field of ["timeStart", "timeEnd"]) {
    await page.locator(`#${field}-problem`, { hasText: "Give a date and a time." }).waitFor();
  }
  for (const field of ["lat", "lng"]) await page.locator(`#${field}-problem`).waitFor();
  assert.equal(await page.getByLabel("Start").getAttribute("aria-invalid"), "true");
  await page.getByLabel("Name", { exact: true }).fill("Night of the Bridges");
  await page.getByLabel("Description").fill("Music on five bridges.");
  await page.getByLabel("Start").fill(local(-1));
  await page.getByLabel("End", { exact: true }).fill(local(-2));
  await page.getByLabel("Address").fill("Most Powstańców Śląskich, Kraków");
  // The map fills in the numbers, and the numbers move the map's pin.
  await page.locator(".leaflet-container").click();
  await page.locator(".event-pin").waitFor();
  assert.match(await page.getByLabel("Latitude").inputValue(), /^-?\d+\.\d{1,6}$/);
  await page.getByLabel("Latitude").fill("");
  await page.locator(".event-pin").waitFor({ state: "detached" });
  await page.getByLabel("Latitude").fill("50,0438");
  await page.getByLabel("Longitude").fill("19.9504");
  // What is not sent survives a reload.
  await page.reload();
  await page.getByRole("button", { name: "Create event" }).click();
  await page.getByText("The end has to be after the start.").waitFor();
  await page.getByLabel("End", { exact: true }).fill(local(3));
  await page.getByRole("button", { name: "Create event" }).click();
  await page.getByRole("heading", { name: "Night of the Bridges" }).waitFor();
  await page.getByText("50.04380, 19.95040").waitFor();
  const [, id] = /\/events\/(\d+)$/.exec(page.url());

  // A name that is taken is said at the field of the name.
  await page.getByRole("link", { name: "Edit" }).click();
  const taken = await (await apiOf(owner)).events.get(desks.system.event);
  await page.getByLabel("Name", { exact: true }).fill(taken.name);
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator("#name-problem").getByText("already taken").waitFor();
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("heading", { name: "Night of the Bridges" }).waitFor();

  await page.getByRole("link", { name: "New contact" }).click();
  await page.getByLabel("First name").fill("Ewa");
  await page.getByLabel("Last name").fill("Wójcik");
  await page.getByLabel("Phone number").fill("600 100 200");
  await page.getByLabel("E-mail address").fill("ewa?bcc=all@security.example");
  await page.getByRole("button", { name: "Add contact" }).click();
  await page.locator("#phoneNumber-problem").getByText("valid phone number").waitFor();
  await page.getByLabel("Phone number").fill("+48 600 100 200");
  await page.getByRole("button", { name: "Add contact" }).click();
  await page.locator(".contact").getByText("Ewa Wójcik").waitFor();
  assert.equal(await page.locator(".contact a[href^=tel]").getAttribute("href"), "tel:+48600100200");
  const mail = page.locator(".contact a[href^=mailto]");
  assert.equal(await mail.textContent(), "ewa?bcc=all@security.example");
  assert.equal(await mail.getAttribute("href"), "mailto:ewa%3Fbcc%3Dall@security.example");

  await page.getByRole("link", { name: "Poster" }).click();
  await page.locator("svg.qr").waitFor();
  await page.getByText("which only this machine can reach").waitFor();
  const address = await scan(page);
  assert.equal(address, desks.address(`/help/${id}`));

  // It is one sheet of A4, with nothing of the console on it.
  const paper = (await page.pdf({ preferCSSPageSize: true })).toString("latin1");
  assert.equal(paper.match(/\/Type \/Page\b/g)?.length ?? Number(/\/Count (\d+)/.exec(paper)?.[1]), 1);
  assert.match(paper, /\/MediaBox \[0 0 59[45]\S* 84[12]\S*\]/);
  await page.emulateMedia({ media: "print" });
  assert.equal(await page.locator(".bar, .areas, .poster-choices, h1").filter({ visible: true }).count(), 0);
  const sheet = await page.locator(".poster-sheet").boundingBox();
  assert.deepEqual([sheet.y, Math.round(sheet.width)], [0, 794]);
  await page.emulateMedia({ media: "screen" });

  // Support sees the event, and nothing that it may not do.
  const sam = await desks.agent(support, `/console/events/${id}`);
  await sam.page.locator(".contact").getByText("Ewa Wójcik").waitFor();
  assert.equal(await sam.page.getByRole("link", { name: /Edit|New/ }).count(), 0);
  assert.equal(await sam.page.getByRole("button", { name: "Delete" }).count(), 0);

  const phone = await desks.open(PHONE, new URL(address).pathname);
  await phone.page.getByText("Night of the Bridges").first().waitFor();
  await phone.page.locator("button.press").click();
  await phone.page.getByText("You are next").first().waitFor();
  await sam.page.goto(desks.address("/console"));
  await sam.page.locator(".trust", { hasText: /^Live$/ }).waitFor();
  await sam.page.getByRole("button", { name: "Take next" }).click();
  await sam.page.locator(".facts").getByText("Night of the Bridges").waitFor();

  // The figures have counted the press and its wait.
  await page.goto(desks.address(`/console/figures?event=${id}&span=event`));
  const sum = (label) => page.locator(".sums div", { has: page.getByText(label, { exact: true }) }).locator("dd");
  await sum("Presses").getByText("1", { exact: true }).waitFor();
  await sum("Taken").getByText("1", { exact: true }).waitFor();
  assert.match(await sum("Median wait").textContent(), /^\d+:\d\d$/);
  await page.locator(".organizers").getByText("Sam Support").waitFor();
  await page.locator(".chart canvas").nth(1).waitFor();
  const saved = page.waitForEvent("download");
  await page.getByRole("button", { name: "Team as CSV" }).click();
  const file = await (await saved).createReadStream();
  const [head, row, end] = String((await file.toArray()).join("")).split("\r\n");
  assert.equal(head, "\ufefforganizerId,name,chats,medianWaitSeconds,medianMinutes");
  assert.match(row, /^\d+,Sam Support,1,\d+(\.\d+)?,$/);
  assert.equal(end, "");
  assert.deepEqual([...desk.errors, ...sam.errors, ...phone.errors], []);
  await Promise.all([desk, sam, phone].map(({ context }) => context.close()));
});

async function apiOf(account) {
  const { token } = await desks.system.organizerApi().signIn(account);
  return desks.system.organizerApi(token);
}

test("the plan of a venue is made small, laid over the map, and removed", async () => {
  const desk = await desks.agent(desks.system.ready.demo.owner, `/console/events/${desks.system.event}`);
  const { page } = desk;
  await page.getByRole("link", { name: "Add a plan" }).click();
  await page.locator(".leaflet-container").waitFor();
  await page.getByLabel("Image of the plan").setInputFiles({
    ...{ name: "plan.txt", mimeType: "text/plain", buffer: Buffer.from("not an image") },
  });
  await page.getByText("is not an image").waitFor();
  await page.getByLabel("Image of the plan").setInputFiles(await plan(page));
  await page.locator(".plan-corner").nth(1).waitFor();
  const north = Number(await page.getByLabel("North edge").inputValue());
  assert(north > Number(await page.getByLabel("South edge").inputValue()));

  // A corner that is dragged moves the edges.
  const corner = page.locator(".plan-corner").first();
  const { x, y } = await corner.boundingBox();
  await page.mouse.move(x + 11, y + 11);
  await page.mouse.down();
  await page.mouse.move(x + 11, y + 51, { steps: 5 });
  await page.mouse.up();
  assert(Number(await page.getByLabel("North edge").inputValue()) < north);

  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("link", { name: "Change the plan" }).waitFor();
  await page.locator(".leaflet-image-layer[src^='data:image/webp']").waitFor();
  await page.getByRole("link", { name: "Change the plan" }).click();
  await page.getByRole("button", { name: "Remove the plan" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove the plan" }).click();
  await page.getByRole("link", { name: "Add a plan" }).waitFor();
  assert.deepEqual(desk.errors, []);
  await desk.context.close();
});

test("an event goes with its contacts, and its list says so in other tabs", async () => {
  const { owner } = desks.system.ready.demo;
  const event = { description: "Music", address: "Kraków", lat: 50, lng: 20, timeStart: local(1), timeEnd: local(2) };
  await (await apiOf(owner)).events.create({ ...event, name: "Rained off" });
  const desk = await desks.agent(owner, "/console/events");
  const { page } = desk;
  const other = await desk.context.newPage();
  const row = (page) => page.locator(".entry", { hasText: "Rained off" });
  await other.goto(desks.address("/console/events"));
  await row(other).waitFor();
  await row(page).locator(".entry-name").click();
  await page.locator(".page > header").getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByText("its contacts").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.locator(".entry").first().waitFor();
  await row(other).waitFor({ state: "detached" });
  await desk.context.close();
});
