// What the live side does in states that real services are hard to bring to.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { launchBrowser, watchErrors, words } from "./browser.mjs";
import { ORIGIN } from "./fake.mjs";
import { PLAN } from "./fake-events.mjs";
import { asNew, idOf } from "./fake-pages.mjs";
import { FakeTeam } from "./fake-team.mjs";
import { signIn } from "./looks.mjs";

const WIDE = { viewport: { width: 1600, height: 1000 }, locale: "en-GB", reducedMotion: "reduce" };
const KRAKOW = { latStart: 50.06143, lngStart: 19.93658, accuracyStart: 12 };

let browser;
let context;
let page;
let team;
let errors;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser?.close());
beforeEach(async () => {
  context = await browser.newContext(WIDE);
  team = new FakeTeam();
  await team.attach(context);
  page = await context.newPage();
  errors = watchErrors(page);
});
afterEach(async () => {
  assert.deepEqual(errors, []);
  await context.close();
});

const isLive = () => page.locator(".trust", { hasText: /^Live$/ }).waitFor();
const pinOf = (name) => page.locator(".map-pin", { hasText: name });

const untilInMiddle = async (name) => page.waitForFunction(isInMiddle, await pinOf(name).elementHandle());

/** Runs in the page. */
function isInMiddle(pin) {
  const middle = (element) => {
    const { x, y, width, height } = element.getBoundingClientRect();
    return [x + width / 2, y + height / 2];
  };
  const [left, top] = middle(document.querySelector(".map-canvas"));
  const [x, y] = middle(pin);
  return Math.hypot(x - left, y - top) < 2;
}

function addPeople() {
  team.chat("c1", { name: "Kasia" }, ["I am at the stage"], {
    ...{ ...KRAKOW, positionAtStart: new Date().toISOString() },
  });
  team.chat("c2", { name: "Omar" }, ["He is still there", ["Stay where you are."]], {
    ...{ latStart: 50.0626, lngStart: 19.9382, accuracyStart: 45 },
    positionAtStart: new Date(Date.now() - 3 * 60_000).toISOString(),
  });
  team.chat("c3", { name: "Nobody knows where" }, ["Help"]);
}

test("the map shows who is where, opens their chats, and goes where they go", async () => {
  addPeople();
  await signIn(page);
  await pinOf("Omar").waitFor();
  assert.equal(await page.locator(".map-pin").count(), 2);
  assert.match(await pinOf("Kasia").getAttribute("class"), /\bneeds\b/);
  assert.doesNotMatch(await pinOf("Kasia").getAttribute("class"), /\bold\b/);
  assert.match(await pinOf("Omar").getAttribute("class"), /\bold\b/);
  await pinOf("Omar").getByText("3 minutes ago").waitFor();

  await pinOf("Omar").click();
  await page.getByRole("heading", { name: "Omar" }).waitFor();
  await untilInMiddle("Omar");
  await pinOf("Kasia").focus();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Kasia" }).waitFor();
  team.say("c1", "My position", { lat: 50.0634, lng: 19.9401 });
  await page.locator(".facts a", { hasText: "50.06340" }).waitFor();
  await untilInMiddle("Kasia");
});

test("a shared position has no accuracy of another, and the incident says which was how accurate", async () => {
  addPeople();
  await signIn(page);
  await page.locator(".map-accuracy").nth(1).waitFor({ state: "attached" });
  await page.keyboard.press("1");
  await page.locator(".facts").getByText("±12 m").waitFor();
  team.say("c1", "My position, accurate to 35 m", { lat: 50.0634, lng: 19.9401 });
  await page.locator(".facts a", { hasText: "50.06340" }).waitFor();
  assert.doesNotMatch(await page.locator(".facts").textContent(), /±/);
  assert.equal(await page.locator(".facts a[href='geo:50.0634,19.9401']").count(), 1);
  assert.equal(await page.locator(".map-accuracy").count(), 1);
  team.say("c1", "I am going to gate 4", { lat: 50.064, lng: 19.941 });
  await page.locator(".facts a", { hasText: "50.06400" }).waitFor();
  await page.keyboard.press("Alt+i");
  const description = await page.getByLabel("Description").inputValue();
  assert.match(description, /^My position, accurate to 35 m: 50\.06340, 19\.94010 \(\d\d:\d\d\)$/m);
  assert.match(description, /^Position: 50\.06400, 19\.94100 \(\d\d:\d\d\)$/m);
});

test("a position whose time nobody has said is as old as the press, or of no known age", async () => {
  team.chat("c1", { name: "Kasia" }, ["Problem description: I am at the stage"], KRAKOW);
  const pressed = new Date(Date.now() - 16 * 60_000);
  Object.assign(team.messages.get(idOf("c1"))[0], { timeSent: pressed.toISOString() });
  team.chat("c2", { name: "Omar" }, ["Mayday: Sam Support is with you now."], {
    ...{ latStart: 50.0626, lngStart: 19.9382, accuracyStart: 45, timeStart: new Date().toISOString() },
  });
  await signIn(page);
  await pinOf("Kasia").getByText("16 minutes ago").waitFor();
  assert.match(await pinOf("Kasia").getAttribute("class"), /\bold\b/);
  await page.keyboard.press("1");
  await page.locator(".facts .old").getByText("16 minutes ago").waitFor();
  await page.keyboard.press("Alt+i");
  const at = new Intl.DateTimeFormat("en-GB", { timeStyle: "short" }).format(pressed);
  // Soon after midnight the date stands before it.
  assert.match(await page.getByLabel("Description").inputValue(), new RegExp(`±12 m \\((.+, )?${at}\\)$`));
  await page.keyboard.press("Escape");

  await page.keyboard.press("Alt+2");
  await page.locator(".facts .old", { hasText: /19\.93820\s+±45 m\s*$/ }).waitFor();
  assert.match(await pinOf("Omar").getAttribute("class"), /\bold\b/);
});

test("a map whose plan is read again stays as it is, and one with another plan is another map", async () => {
  team.events = [{ ...team.events[0], hasPlan: true }];
  team.plan = { ...PLAN, north: 50.064, south: 50.059, west: 19.932, east: 19.942 };
  addPeople();
  await signIn(page);
  const plan = page.locator("img.leaflet-image-layer");
  await plan.waitFor();
  const map = await page.locator(".map-canvas").elementHandle();
  const isThere = () => map.evaluate(({ isConnected }) => isConnected);
  const readAgain = async () => {
    const answered = page.waitForEvent("requestfinished", (request) => request.url().endsWith("/plan"));
    await page.evaluate(() => dispatchEvent(new Event("online")));
    await answered;
  };
  await readAgain();
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))));
  assert.equal(await isThere(), true);
  team.plan = { ...team.plan, east: 19.943 };
  await readAgain();
  await page.waitForFunction(({ isConnected }) => !isConnected, map);
  await plan.waitFor();
});

test("names on the map do not overlap: that of the chosen person is there, others when one looks", async () => {
  for (let n = 0; n < 40; n++) {
    const place = { latStart: 50.06 + (n % 8) / 4000, lngStart: 19.93 + (n % 5) / 3000, accuracyStart: 10 };
    team.chat(`c${n}`, { name: `Person ${n}` }, n === 7 ? ["Help", ["We are coming"]] : ["Help"], place);
  }
  await signIn(page);
  await page.locator(".chat-item").nth(39).waitFor();
  await page.locator(".map-pin").nth(39).waitFor();
  await page.locator(".chat-item", { hasText: "Person 7" }).click();
  const nameOf = (name) => pinOf(new RegExp(`^${name}(?!\\d)`)).locator(".map-name");
  await page.waitForFunction((name) => !name.classList.contains("covered"), await nameOf("Person 7").elementHandle());
  const overlaps = await page.evaluate(() => {
    const boxes = [...document.querySelectorAll(".map-name:not(.covered)")].map((name) => name.getBoundingClientRect());
    const lie = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
    return [boxes.length, boxes.filter((a) => boxes.some((b) => a !== b && lie(a, b))).length];
  });
  assert(overlaps[0] > 4 && overlaps[0] < 40, String(overlaps));
  assert.equal(overlaps[1], 0);
  const covered = page.locator(".map-pin:has(.covered)").first();
  const opacity = () => covered.locator(".map-name").evaluate((name) => getComputedStyle(name).opacity);
  assert.equal(await opacity(), "0");
  await covered.focus();
  assert.equal(await opacity(), "1");
});

test("the map goes and comes by a key, and stays away after a reload", async () => {
  addPeople();
  await signIn(page);
  await pinOf("Kasia").waitFor();
  await page.keyboard.press("m");
  await page.locator(".map").waitFor({ state: "detached" });
  await page.reload();
  await isLive();
  assert.equal(await page.locator(".map").count(), 0);
  await page.getByRole("button", { name: "Map" }).click();
  await pinOf("Kasia").waitFor();
});

test("tiles come from the configured server; without one nobody is asked", async () => {
  addPeople();
  const asked = [];
  await context.route("https://tiles.example/**", (route) => {
    asked.push(new URL(route.request().url()).pathname);
    return route.fulfill({ contentType: "image/svg+xml", body: '<svg xmlns="http://www.w3.org/2000/svg"/>' });
  });
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));
  await signIn(page);
  await page.locator(".map-grid").first().waitFor();
  assert.deepEqual(
    requests.filter((url) => !url.startsWith(ORIGIN) && !url.startsWith("data:")),
    [],
  );
  team.tileUrl = "https://tiles.example/{z}/{x}/{y}.png";
  await page.reload();
  await page.locator(".leaflet-tile-loaded").first().waitFor();
  assert.match(asked[0], /^\/\d+\/\d+\/\d+\.png$/);
});

test("a colleague who goes at the moment of the hand-over is not offered again, and the chat stays", async () => {
  addPeople();
  team.replies.transfer_chat = ({ organizerId }, send) =>
    send("error", { code: "unknown_colleague", message: `no colleague with id ${organizerId}` });
  await signIn(page);
  await isLive();
  await page.keyboard.press("1");
  await page.keyboard.press("Alt+h");
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: /Olga/ }).click();
  await dialog.getByText("This colleague is not here any more").waitFor();
  await dialog.getByRole("button", { name: /Olga/ }).waitFor({ state: "detached" });
  await dialog.getByRole("button", { name: /Mariam/ }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByLabel("Your answer").waitFor();
});

test("a colleague whose page has closed since the list was read is not given the chat", async () => {
  addPeople();
  const given = [];
  team.replies.transfer_chat = ({ organizerId }) => given.push(organizerId);
  await signIn(page);
  await isLive();
  await page.keyboard.press("1");
  await page.keyboard.press("Alt+h");
  const dialog = page.getByRole("dialog");
  const olga = dialog.getByRole("button", { name: /Olga/ });
  await olga.waitFor();
  team.present = team.present.filter(({ organizerId }) => organizerId !== 13);
  await olga.click();
  await dialog.getByText("This colleague is not here any more").waitFor();
  await olga.waitFor({ state: "detached" });
  assert.deepEqual(given, []);
});

const colleagues = () => page.locator(".colleagues li").allInnerTexts();
const inLine = (texts) => texts.map((text) => text.replace(/\s+/g, " "));
const untilColleagues = (pattern) =>
  page.waitForFunction(
    (source) => new RegExp(source, "s").test(document.querySelector(".colleagues").textContent),
    pattern.source,
  );

test("only colleagues who are here are offered: first who waits, then who has the fewest chats", async () => {
  team.users.push({ ...team.user, id: 15, firstName: "Amir", role: 4 }, { ...team.user, id: 16, firstName: "Absent" });
  team.present.push({ organizerId: 15, activeChats: 1, waiting: false });
  addPeople();
  await page.clock.install();
  await signIn(page);
  await isLive();
  await page.keyboard.press("1");
  await page.keyboard.press("Alt+h");
  await page.locator(".colleagues button:focus", { hasText: "Mariam" }).waitFor();
  assert.deepEqual(inLine(await colleagues()), [
    "Mariam Manager Manager waits for the next 2 chats",
    "Olga Owner Owner 0 chats",
    "Amir Support Support 1 chat",
  ]);

  // The list follows, and the focus stays with the colleague.
  await page.keyboard.press("ArrowDown");
  const olga = page.locator(".colleagues button:focus", { hasText: "Olga" });
  await olga.waitFor();
  Object.assign(team.present[1], { activeChats: 4 });
  Object.assign(team.present[2], { waiting: false });
  await page.clock.runFor(3000);
  await untilColleagues(/Amir.*Mariam.*Olga.*4 chats/);
  await olga.waitFor();

  // Who is chosen has gone meanwhile: the key chooses nobody else.
  team.replies.transfer_chat = () => assert.fail("nobody was chosen");
  team.present.splice(1, 1);
  await page.clock.runFor(3000);
  await olga.waitFor({ state: "detached" });
  await page.keyboard.press("Enter");
  await page.keyboard.press("ArrowDown");
  await page.locator(".colleagues button:focus", { hasText: "Amir" }).waitFor();

  team.present.splice(1);
  await page.clock.runFor(3000);
  await page.getByRole("dialog").getByText("No colleague is here").waitFor();
  assert.equal(await page.locator(".colleagues button").count(), 0);
});

test("while the service cannot tell who is here, everybody is listed, and nobody as here", async () => {
  const { present } = team;
  team.present = undefined;
  addPeople();
  await page.clock.install();
  await signIn(page);
  await isLive();
  await page.keyboard.press("1");
  await page.keyboard.press("Alt+h");
  await page.getByRole("dialog").getByText("everybody is listed").waitFor();
  assert.deepEqual(inLine(await colleagues()), [
    "Olga Owner Owner not known whether here",
    "Mariam Manager Manager not known whether here",
  ]);
  team.present = present.slice(0, 2);
  await page.clock.runFor(3000);
  await page.locator(".colleagues button", { hasText: "Mariam" }).waitFor({ state: "detached" });
  const asked = new Promise((resolve) => {
    team.replies.transfer_chat = (payload) => resolve(payload);
  });
  await page.keyboard.press("Enter");
  assert.deepEqual(await asked, { chatId: idOf("c1"), organizerId: 13 });
});

test("a chat that goes takes the list of colleagues with it, and no other chat comes into its place", async () => {
  addPeople();
  await signIn(page);
  await isLive();
  await page.keyboard.press("1");
  await page.keyboard.press("Alt+h");
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: /Olga/ }).waitFor();
  team.tell("chat_requeued", { chatId: idOf("c1"), organizerId: 12 });
  await dialog.waitFor({ state: "detached" });
  await page.keyboard.press("2");
  await page.getByRole("heading", { name: "Omar" }).waitFor();
});

test("who is refused in any area signs in again and comes back there", async () => {
  await signIn(page, { address: "/console/events?phase=past" });
  await page.getByRole("heading", { level: 1 }).waitFor();
  // Nothing is under way when the service begins to refuse.
  await page.waitForLoadState("networkidle");
  await team.hang(/^\/organizer\/agency\/users$/);
  await page.getByRole("link", { name: "People" }).click();
  await page.waitForURL("**/console/people");
  team.refusing = true;
  await team.hang(undefined);
  await page.getByText("Your sign-in has ended").waitFor();
  team.refusing = false;
  await page.getByLabel("Password").fill("right");
  await page.getByRole("button", { name: "Sign in" }).click();
  await isLive();
  assert.equal(new URL(page.url()).pathname, "/console/people");
});

test("somebody else who signs in has a screen and drafts of their own", async () => {
  addPeople();
  await signIn(page);
  await isLive();
  await page.keyboard.press("1");
  await page.getByLabel("Your answer").fill("Half a sentence");
  for (const socket of team.sockets) await socket.close({ code: 4501 });
  await page.getByRole("heading", { name: /Your open chats/ }).waitFor();
  team.user = { ...team.user, id: 13, firstName: "Olga", email: "olga@demo.example" };
  await page.getByLabel("E-mail address").fill(team.user.email);
  await page.getByLabel("Password").fill("right");
  await page.getByRole("button", { name: "Sign in" }).click();
  await isLive();
  assert.equal(new URL(page.url()).pathname, "/console");
  await page.keyboard.press("1");
  assert.equal(await page.getByLabel("Your answer").inputValue(), "");
});

test("shares that cannot be read any more grow pale", async () => {
  await page.clock.install();
  await signIn(page);
  await page.locator(".figures.shares dd", { hasText: "91%" }).waitFor();
  assert.equal(await page.locator(".figures.shares.stale").count(), 0);
  team.shares = { within15Seconds: null, within20Seconds: 1 };
  await page.clock.runFor(15_000);
  await page.locator(".figures.shares dd", { hasText: "100%" }).waitFor();
  await page.locator(".figures.shares dd", { hasText: "–" }).waitFor();
  team.shares = undefined;
  await page.clock.runFor(60_000);
  await page.locator(".figures.shares.stale").waitFor();
});

/** Whether the row of a chat is in sight in the list. */
const isInSight = (name) =>
  page.waitForFunction((name) => {
    const row = [...document.querySelectorAll(".chat-item")].find((item) => item.textContent.includes(name));
    if (!row) return false;
    const { top, bottom } = row.getBoundingClientRect();
    const list = document.querySelector(".chats").getBoundingClientRect();
    return row.getAttribute("aria-current") === "true" && top >= list.top && bottom <= list.bottom;
  }, name);

test("the chosen chat's row is in sight in the list, however it was chosen", async () => {
  for (let n = 0; n < 40; n++) team.chat(`c${n}`, { name: `Person ${n} of forty` }, ["Help"]);
  await signIn(page, { address: `/console/chats/${idOf("c30")}` });
  await isInSight("Person 30 of");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await page.keyboard.press("ArrowUp");
  await isInSight("Person 39 of");
  await page.keyboard.press("ArrowDown");
  await isInSight("Person 0 of");
  await isLive();
  team.chat("new", { name: "The newest of forty" }, ["Help"]);
  const [chat] = team.chats;
  team.replies.start_chat = (_, send) => send("new_chat", asNew(chat));
  await page.keyboard.press("n");
  await isInSight("The newest of");
  await page.keyboard.press("Alt+9");
  await isInSight("Person 8 of");
});

const rows = () => page.locator(".item-name").allInnerTexts();

test("a new chat gets the next number, whenever it began, also after a reload and in other tabs", async () => {
  team.chat("b", { name: "Müller" }, ["Help"], { timeStart: "2026-11-29T20:00:00.000Z" });
  team.chat("c", { name: "Anna" }, ["Help"], { timeStart: "2026-11-29T20:00:00.000Z" });
  await signIn(page);
  await page.locator(".chat-item").nth(1).waitFor();
  assert.deepEqual(await rows(), ["Müller", "Anna"]);

  // Handed over by a colleague: the chat is older than the others.
  team.chat("a", { name: "Guest" }, ["Help"], { timeStart: "2026-11-29T19:00:00.000Z" });
  team.tell("new_chat", asNew(team.chats[0]));
  await page.locator(".chat-item").nth(2).waitFor();
  assert.deepEqual(await rows(), ["Müller", "Anna", "Guest"]);
  team.chats.reverse();
  await page.reload();
  await page.locator(".chat-item").nth(2).waitFor();
  assert.deepEqual(await rows(), ["Müller", "Anna", "Guest"]);
  const other = await context.newPage();
  await other.goto(`${ORIGIN}/console`);
  await other.locator(".chat-item").nth(2).waitFor();
  assert.deepEqual(await other.locator(".item-name").allInnerTexts(), ["Müller", "Anna", "Guest"]);

  team.tell("closed_chat", { chatId: idOf("b") });
  await page.locator(".chat-item", { hasText: "Over" }).click();
  await page.getByRole("button", { name: "Take off the screen" }).click();
  await page.locator(".chat-item").nth(2).waitFor({ state: "detached" });
  assert.deepEqual(await rows(), ["Anna", "Guest"]);
});

test("chats that began at the same moment are in one order, whatever the service lists first", async () => {
  for (const id of ["c3", "c1", "c2"]) {
    team.chat(id, { name: `Person ${id}` }, ["Help"], { timeStart: "2026-11-29T20:00:00.000Z" });
  }
  await signIn(page);
  await page.locator(".chat-item").nth(2).waitFor();
  assert.deepEqual(await rows(), ["Person c1", "Person c2", "Person c3"]);
});

test("a chat shows in its row and log what the person said, and a kind in the reader's language", async () => {
  team.chat("c1", { name: "Kasia" }, ["Problem description: something else. My bag is gone"], { kind: "other" });
  team.chat("c2", { name: "Omar" }, ["Problem description: medical emergency"], { kind: "medical" });
  team.chat("c3", { name: "Zofia" }, ["Problem description: Smoke"]);
  await signIn(page);
  await page.locator(".message, .item-text bdi").nth(2).waitFor();
  assert.deepEqual(await page.locator(".item-text").allInnerTexts(), ["My bag is gone", "Injury or illness", "Smoke"]);
  await page.keyboard.press("1");
  assert.equal(await page.locator(".message .person-text").textContent(), "My bag is gone");
  await page.keyboard.press("Alt+2");
  await page.locator(".message .person-text", { hasText: /^Injury or illness$/ }).waitFor();
});

test("the names of events are those of the newest answer", async () => {
  await signIn(page);
  await isLive();
  const { events } = team;
  let asked = (route) => route.fallback();
  await page.route(/agency\/events$/, (route) => asked(route));
  /** A chat of an event that is not known comes, so the page asks for the names. */
  const askedWith = (name, eventId) =>
    new Promise((resolve) => {
      asked = resolve;
      team.chat(name, { name }, ["Help"], { eventId });
      team.tell("new_chat", asNew(team.chats[0]));
    });
  const older = await askedWith("Kasia", 8);
  const newer = await askedWith("Omar", 9);
  team.events = [...events, { ...events[0], id: 8, name: "Derby" }];
  await team.answer(newer);
  await page.locator(".facts").getByText("Derby").waitFor();
  team.events = events;
  await team.answer(older);
  await (await older.request().response()).finished();
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))));
  assert.match(await page.locator(".facts").textContent(), /Derby/);
});

test("a message of a colleague names the colleague, if the agency knows who it was", async () => {
  team.chat("c1", { name: "Kasia" }, ["Help", ["Are you hurt?"], ["Stay there."], ["I am here."]]);
  const [, olga, stranger] = team.messages.get(idOf("c1"));
  Object.assign(olga, { authorId: 13 });
  Object.assign(stranger, { authorId: 99 });
  await signIn(page);
  await isLive();
  await page.keyboard.press("1");
  const messageOf = (text) => page.locator(".message", { hasText: text });
  await messageOf("Are you hurt?").locator(".meta").getByText("Olga Owner").waitFor();
  await messageOf("Stay there.").locator(".meta").getByText("Colleague").waitFor();
  assert.doesNotMatch(await messageOf("I am here.").textContent(), /Sam|Colleague/);
});

test("earlier chats lie beside the messages from 1024 px on, and cover neither answer nor buttons", async () => {
  team.chat("c1", { name: "Kasia" }, ["Help", ["Stay where you are, somebody comes to you now."]]);
  team.past("p1", { name: "Kasia" }, ["Problem description: I have lost my bag"], { organizerName: "Olga Owner" });
  await signIn(page);
  await isLive();
  await page.keyboard.press("1");
  await page.keyboard.press("Alt+p");
  await page.locator(".history-first", { hasText: "lost my bag" }).waitFor();
  for (const [width, selectors] of [
    [768, ".composer, .person button"],
    [1024, ".composer, .person button, .message"],
    [1280, ".composer, .person button, .message"],
    [1600, ".composer, .person button, .message"],
  ]) {
    await page.setViewportSize({ width, height: 800 });
    const covered = await page.evaluate((selectors) => {
      const history = document.querySelector(".history").getBoundingClientRect();
      const parts = [...document.querySelectorAll(selectors)];
      const boxes = parts.map((part) => part.getBoundingClientRect());
      const lie = (a) => a.left < history.right && a.right > history.left && a.top < history.bottom;
      return boxes.filter((box) => lie(box) && box.bottom > history.top).length;
    }, selectors);
    assert.equal(covered, 0, String(width));
  }
});

test("an incident of something else is as urgent as one of no kind", async () => {
  team.chat("c1", { name: "Kasia" }, ["Problem description: something else"], { kind: "other" });
  team.chat("c2", { name: "Omar" }, ["Help"]);
  await signIn(page);
  await isLive();
  for (const key of ["1", "Alt+2"]) {
    await page.keyboard.press(key);
    await page.keyboard.press("Alt+i");
    assert.equal(await page.getByLabel("Priority").inputValue(), "medium");
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
  }
});

test("where the page is written from the right, a row of Latin text loses its end and not its begin", async () => {
  await context.close();
  context = await browser.newContext({ ...WIDE, locale: "ar-EG" });
  await team.attach(context);
  page = await context.newPage();
  const text = "My sister is missing. I feel faint, left of the stage, and need somebody to come here";
  team.chat("c1", { name: "Anna who has a name that is longer than any row of the list can be" }, [text]);
  await signIn(page);
  for (const part of [".item-name bdi", ".item-text bdi"]) {
    const row = page.locator(part);
    await row.waitFor();
    const [start, box, isCut] = await row.evaluate((element) => {
      const range = new Range();
      range.setStart(element.firstChild, 0);
      range.setEnd(element.firstChild, 1);
      const { left } = element.getBoundingClientRect();
      return [range.getBoundingClientRect().left, left, element.scrollWidth > element.clientWidth];
    });
    assert(isCut);
    assert(Math.abs(start - box) < 2, `${part} begins at ${start}, its row at ${box}`);
  }
});

test("an incident that is not saved is kept through a reload, and says why", async () => {
  addPeople();
  await signIn(page);
  await isLive();
  await page.keyboard.press("1");
  await page.keyboard.press("Alt+i");
  const name = page.getByLabel("Name", { exact: true });
  await name.fill("Crowd at the stage");
  await page.reload();
  await isLive();
  await page.keyboard.press("Alt+i");
  assert.equal(await name.inputValue(), "Crowd at the stage");
  team.problem = ["name must be shorter than or equal to 200 characters"];
  await name.press("Control+Enter");
  await page.locator("#name-problem", { hasText: "200" }).waitFor();
  team.problem = undefined;
  await page.getByLabel("Description").press("Control+Enter");
  await page.locator(".toast a").click();
  await page.waitForURL(/\/console\/incidents\/1$/);
  assert.equal(team.issues[0].name, "Crowd at the stage");
});

test("an incident can be saved after its chat has ended", async () => {
  team.chat("c1", { name: "Kasia" }, ["Problem description: Smoke at the stage"]);
  await signIn(page);
  await isLive();
  await page.keyboard.press("1");
  await page.keyboard.press("Alt+c");
  await page.keyboard.press("Alt+i");
  await page.getByLabel("Name", { exact: true }).fill("Smoke");
  team.tell("closed_chat", { chatId: idOf("c1") });
  await page.locator(".chat-item").waitFor({ state: "detached" });
  await page.getByLabel("Name", { exact: true }).press("Enter");
  await page.locator(".toast a").waitFor();
  assert.match(team.issues[0].description, /Smoke at the stage.*Kasia/s);
});

test("a reader of older messages is left there when new ones come, and comes back to see them", async () => {
  const said = Array.from({ length: 120 }, (_, at) => `Message ${at} of somebody who waits near the stage`);
  team.chat("c1", { name: "Kasia" }, said);
  await signIn(page);
  await isLive();
  await page.keyboard.press("1");
  await page.locator(".message", { hasText: "Message 119 " }).waitFor();
  const gap = () =>
    page
      .locator(".log")
      .evaluate(({ scrollHeight, scrollTop, clientHeight }) => scrollHeight - scrollTop - clientHeight);
  const untilAtEnd = () =>
    page.waitForFunction(() => {
      const { scrollHeight, scrollTop, clientHeight } = document.querySelector(".log");
      return scrollHeight - scrollTop - clientHeight < 2;
    });
  await untilAtEnd();
  await page.locator(".log").hover();
  await page.mouse.wheel(0, -900);
  await page.waitForFunction(() => {
    const { scrollHeight, scrollTop, clientHeight } = document.querySelector(".log");
    return scrollHeight - scrollTop - clientHeight > 800;
  });
  team.say("c1", "The newest");
  await page.locator(".message", { hasText: "The newest" }).waitFor({ state: "attached" });
  assert((await gap()) > 800);
  await page.mouse.wheel(0, 2000);
  await untilAtEnd();
  team.say("c1", "Newer still");
  await page.locator(".message", { hasText: "Newer still" }).waitFor({ state: "attached" });
  await untilAtEnd();
});

/** Runs in the page: the keys of what is kept of a person in this browser. */
function kept() {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open("mayday-console");
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const [store] = opening.result.objectStoreNames;
      const asking = opening.result.transaction(store).objectStore(store).getAllKeys();
      asking.onsuccess = () => {
        opening.result.close();
        resolve(asking.result.filter((key) => /^(account|outbox)/.test(key)));
      };
    };
  });
}

test("a sign-out leaves no unsent message", async () => {
  addPeople();
  await page.addInitScript(`window.kept = ${kept}`);
  await signIn(page);
  await isLive();
  await page.keyboard.press("1");
  await page.getByLabel("Your answer").fill("Somebody is on the way");
  await page.keyboard.press("Enter");
  await page.waitForFunction(async () => (await window.kept()).length === 2);
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("Password").waitFor();
  await page.waitForFunction(async () => (await window.kept()).length === 0);
});

test("a connection that has fallen silent is not live: nothing runs on, and it comes back by itself", async () => {
  await page.clock.install();
  await signIn(page);
  await isLive();
  const next = page.getByRole("button", { name: "Take next" });
  assert.equal(await next.getAttribute("class"), "call");
  team.deaf = true;
  await page.clock.runFor(12_000);
  const strip = page.locator(".trust.stale", { hasText: words("Reconnecting: as of ") });
  await strip.waitFor();
  assert.equal(await next.isDisabled(), true);
  assert.equal(await page.locator(".call").count(), 0);
  const shown = () => page.locator(".trust, .queue > .figures").allInnerTexts();
  const before = await shown();
  await page.clock.runFor(10_000);
  assert.deepEqual(await shown(), before);

  // Attempts that are not answered are given up, and one is answered.
  team.deaf = false;
  await page.clock.runFor(20_000);
  await isLive();
});

test("a request that the service leaves unanswered, or refuses in its own words, ends with a sentence", async () => {
  await page.clock.install();
  await signIn(page);
  await isLive();
  const refusal = { code: "unavailable", message: "could not get chat from queue", retryAfterSeconds: 1 };
  const toast = page.locator(".toast", { hasText: "The service does not answer. Try again in a moment." });
  team.replies.start_chat = () => undefined;
  await page.keyboard.press("n");
  // Others talk meanwhile, so the connection lives.
  for (let passed = 0; passed < 32; passed += 4) {
    await page.clock.runFor(4000);
    team.tell("queue_status", team.queue);
    await isLive();
  }
  await toast.waitFor();
  await toast.getByRole("button").click();
  team.tell("error", refusal);
  await toast.waitFor();
  assert.equal(await page.getByText(refusal.message).count(), 0);
});

test("an area that comes late says so, what still works, and offers to try again", async () => {
  await page.clock.install();
  await signIn(page);
  await isLive();
  await team.hang(/^\/(assets|organizer)\//);
  await page.getByRole("link", { name: "People" }).click();
  const loading = page.getByText("Loading", { exact: true });
  const problem = page.locator(".page .problem");
  const untilLate = async (text) => {
    await loading.waitFor();
    // The live side hears something meanwhile.
    for (let passed = 0; passed < 12; passed += 4) {
      await page.clock.runFor(4000);
      team.tell("queue_status", team.queue);
      await isLive();
    }
    await problem.filter({ hasText: `${text} Your chats go on.` }).waitFor();
    // It begins where the title does.
    const [title, line] = await Promise.all([page.locator("h1").boundingBox(), problem.boundingBox()]);
    assert.equal(line.x, title.x);
  };
  await untilLate("This part of the console could not be loaded.");
  await page.getByRole("button", { name: "Try again" }).click();
  await loading.waitFor();

  await team.hang(/^\/organizer\//);
  await untilLate("Loading takes longer than usual.");
  await page.getByRole("button", { name: "Try again" }).click();
  await loading.waitFor();
  await team.hang(undefined);
  await page.getByRole("link", { name: /Mariam/ }).waitFor();
  assert.equal(await problem.count(), 0);
});

test("tabs of one person stay in step: what has ended in one needs no dismissal in the other", async () => {
  addPeople();
  team.replies.close_chat = ({ chatId }) => team.tell("closed_chat", { chatId });
  await signIn(page);
  await isLive();
  const other = await context.newPage();
  await other.goto(`${ORIGIN}/console`);
  await other.locator(".chat-item").nth(2).waitFor();
  const untilGone = async (hasText) => {
    for (const tab of [page, other]) await tab.locator(".chat-item", { hasText }).waitFor({ state: "detached" });
  };
  await page.clock.install();
  await page.keyboard.press("1");
  await page.keyboard.press("Alt+c");
  await page.clock.runFor(5000);
  await untilGone("Kasia");

  team.tell("chat_requeued", { chatId: idOf("c2"), organizerId: 12 });
  for (const tab of [page, other]) await tab.locator(".chat-item", { hasText: "Over" }).waitFor();
  await page.locator(".chat-item", { hasText: "Omar" }).click();
  await page.getByRole("button", { name: "Take off the screen" }).click();
  await untilGone("Omar");
  assert.equal(await other.locator(".chat-item").count(), 1);
});

test("a text that was not sent stays, although another tab has taken its chat off the screen", async () => {
  addPeople();
  team.replies.close_chat = ({ chatId }) => team.tell("closed_chat", { chatId });
  await signIn(page);
  await isLive();
  const other = await context.newPage();
  await other.goto(`${ORIGIN}/console`);
  const item = (tab, hasText) => tab.locator(".chat-item", { hasText });
  const answer = other.locator(".composer textarea");
  for (const name of ["Kasia", "Omar"]) {
    await item(other, name).click();
    await answer.fill(`To ${name}`);
  }
  team.tell("chat_requeued", { chatId: idOf("c2"), organizerId: 12 });
  for (const tab of [page, other]) await item(tab, "Over").waitFor();
  await item(page, "Omar").click();
  await page.getByRole("button", { name: "Take off the screen" }).click();
  // What one tab is told by another comes in order.
  const isTold = other.evaluate(
    () =>
      new Promise((resolve) => {
        new BroadcastChannel("mayday-chats").onmessage = ({ data }) => data === "last" && setTimeout(resolve);
      }),
  );
  await page.clock.install();
  await item(page, "Kasia").click();
  await page.keyboard.press("Alt+c");
  await page.clock.runFor(5000);
  await item(page, "Kasia").waitFor({ state: "detached" });
  await page.evaluate(() => new BroadcastChannel("mayday-chats").postMessage("last"));
  await isTold;
  for (const name of ["Kasia", "Omar"]) {
    await item(other, name).filter({ hasText: "Over" }).click();
    assert.equal(await answer.inputValue(), `To ${name}`);
  }
});

test("messages of chats that are over call nobody", async () => {
  addPeople();
  team.queue = { waiting: 0, oldestWaitSeconds: 0 };
  await signIn(page, { address: "/console/people" });
  const badge = page.locator(".areas .badge");
  await badge.filter({ hasText: /^2 / }).waitFor();
  team.tell("closed_chat", { chatId: idOf("c1") });
  await badge.filter({ hasText: /^1 / }).waitFor();
  team.tell("closed_chat", { chatId: idOf("c3") });
  await badge.waitFor({ state: "detached" });
  await page.waitForFunction(() => document.title === "Mayday");
});

test("storage that is full is said in the bar, and what is written is sent", async () => {
  addPeople();
  const sent = new Promise((resolve) => {
    team.replies.send_message = (payload) => resolve(payload);
  });
  await signIn(page);
  await isLive();
  await page.evaluate(() => {
    IDBObjectStore.prototype.put = () => {
      throw new DOMException("full", "QuotaExceededError");
    };
  });
  await page.keyboard.press("1");
  await page.getByLabel("Your answer").fill("Somebody is on the way");
  await page.keyboard.press("Enter");
  await page.getByText("This browser keeps nothing").waitFor();
  assert.equal((await sent).message, "Somebody is on the way");
});

test("notes of the service are in the language of the page, and one that is not known there is as it is", async () => {
  team.chat("c1", { name: "Kasia" }, [
    "Help",
    "Mayday: your organizer has lost the connection. You keep your place in the queue.",
    "Mayday: Sam Support is with you now.",
    "Mayday: a colleague takes over this chat.",
    "Mayday: the guest has signed in.",
    "Mayday: the guest has signed in as kasia@example.org.",
    "Mayday: of a later version",
  ]);
  await page.addInitScript(() => localStorage.setItem("mayday-language", "de"));
  await signIn(page);
  await page.locator(".chat-item").click();
  const notes = page.locator(".message.note .person-text");
  await notes.filter({ hasText: "Der Gast hat sich angemeldet." }).waitFor();
  const texts = await notes.allInnerTexts();
  assert.deepEqual(
    texts.map((text) => text.replace(/[\u2068\u2069]/g, "")),
    [
      "Das Team hatte die Verbindung verloren. Die Person hat ihren Platz in der Warteschlange behalten.",
      "Sam Support ist jetzt für die Person da.",
      "Jemand aus dem Team übernimmt diesen Chat.",
      "Der Gast hat sich angemeldet.",
      "Der Gast hat sich als kasia@example.org angemeldet.",
      "of a later version",
    ],
  );
});
