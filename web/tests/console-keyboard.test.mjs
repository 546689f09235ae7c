// For whom a key is: it never goes to somebody else than the screen says.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { launchBrowser, watchErrors, words } from "./browser.mjs";
import { FakeIncidents } from "./fake-incidents.mjs";
import { asNew, idOf } from "./fake-pages.mjs";
import { FakeTeam } from "./fake-team.mjs";
import { signIn } from "./looks.mjs";

let browser;
let context;
let page;
let team;
let errors;
/** The types of the frames that write to somebody or hand somebody over, as they come. */
let asked;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser?.close());
beforeEach(async () => {
  context = await browser.newContext({ locale: "en-GB", reducedMotion: "reduce" });
  team = new FakeTeam();
  await team.attach(context);
  page = await context.newPage();
  errors = watchErrors(page);
  asked = [];
  team.replies = {
    send_message: () => asked.push("send_message"),
    transfer_chat: (_, send) => {
      asked.push("transfer_chat");
      send("error", { code: "unavailable", message: "chat could not be transferred", retryAfterSeconds: 1 });
    },
  };
  team.chat("c1", { name: "Kasia" }, ["I am at the stage"]);
  team.chat("c2", { name: "Omar" }, ["He is still there"]);
  await signIn(page);
  await page.locator(".trust", { hasText: /^Live$/ }).waitFor();
});
afterEach(async () => {
  assert.deepEqual(errors, []);
  await context.close();
});

const answer = () => page.getByLabel("Your answer");
const dialog = () => page.getByRole("dialog");
const row = (name) => page.locator(".chat-item", { hasText: name });
const untilShown = (name) => page.locator(".person h2", { hasText: name }).waitFor();

/** What hangs is answered, and the page has dealt with it. */
async function answerHanging() {
  const requests = team.hung.map((route) => route.request());
  await team.hang(undefined);
  for (const request of requests) await (await request.response()).finished();
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))));
}

/** A chat comes. */
function comes(name, person) {
  team.chat(name, { name: person }, ["Help"]);
  const [chat] = team.chats;
  return asNew(chat);
}

test("a chat that comes takes nobody out of the middle of a sentence, unless they ask for it", async () => {
  await page.keyboard.press("w");
  await page.locator(".queue [aria-pressed=true]").waitFor();
  await page.keyboard.press("1");
  await page.keyboard.type("Half");
  team.tell("new_chat", comes("c3", "Zofia"));
  await row("Zofia").waitFor();
  await page.keyboard.type(" more");
  await untilShown("Kasia");
  assert.equal(await answer().inputValue(), "Half more");

  team.replies.start_chat = (_, send) => send("new_chat", comes("c4", "Ada"));
  await page.keyboard.press("Alt+n");
  await untilShown("Ada");
  assert.equal(await answer().inputValue(), "");
});

test("who waits for the next chat and writes to nobody is shown it", async () => {
  await page.keyboard.press("w");
  await page.locator(".queue [aria-pressed=true]").waitFor();
  await page.keyboard.press("1");
  team.tell("new_chat", comes("c3", "Zofia"));
  await untilShown("Zofia");
  await page.keyboard.type("Hello");
  assert.equal(await answer().inputValue(), "Hello");
});

test("when a chat ends, the rest of a sentence goes to nobody, and what was not sent can be read", async () => {
  await page.keyboard.press("1");
  await page.keyboard.type("Go to gate ");
  team.tell("chat_requeued", { chatId: idOf("c1"), organizerId: 12 });
  await row("Kasia").filter({ hasText: "Over" }).waitFor();
  await page.keyboard.type("2 now");
  await page.keyboard.press("Enter");
  await untilShown("Kasia");
  assert.equal(await answer().inputValue(), "Go to gate ");
  assert.equal(await page.getByRole("button", { name: "Send" }).isDisabled(), true);
  await page.getByRole("button", { name: "Take off the screen" }).click();
  await untilShown("Omar");
  assert.equal(await answer().inputValue(), "");
  assert.deepEqual(asked, []);
});

test("when a chat ends under an empty field, the next sentence goes to nobody", async () => {
  await page.keyboard.press("1");
  team.tell("chat_requeued", { chatId: idOf("c1"), organizerId: 12 });
  await row("Kasia").filter({ hasText: "Over" }).waitFor();
  await page.keyboard.type("2 of us are on the way");
  await page.keyboard.press("Enter");
  await untilShown("Kasia");
  assert.equal(await answer().inputValue(), "");
  // Who has left the field has the keys.
  await page.keyboard.press("Escape");
  await page.keyboard.press("/");
  await page.keyboard.press("2");
  await untilShown("Omar");
  assert.deepEqual(asked, []);
});

test("when a chat ends, its canned answers go, and nothing is written into the field any more", async () => {
  await page.keyboard.press("1");
  await page.keyboard.type("/");
  const canned = page.getByRole("listbox");
  await canned.waitFor();
  team.tell("chat_requeued", { chatId: idOf("c1"), organizerId: 12 });
  await canned.waitFor({ state: "detached" });
  await page.keyboard.press("Enter");
  assert.equal(await answer().inputValue(), "/");
});

test("the composer has the keyboard as soon as its chat is chosen", async () => {
  const isIn = await page.evaluate(async () => {
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "1", code: "Digit1", bubbles: true }));
    // The page renders in a microtask.
    await Promise.resolve();
    return document.activeElement.matches(".composer textarea");
  });
  assert.equal(isIn, true);

  // The key that chooses a row is not written into the field.
  for (const [key, name] of [
    ["Enter", "Omar"],
    ["Space", "Kasia"],
  ]) {
    await row(name).focus();
    await page.keyboard.press(key);
    await untilShown(name);
    await page.keyboard.type(key);
    assert.equal(await answer().inputValue(), key);
  }
  assert.deepEqual(asked, []);
});

test("who takes back a close, or sends, by the mouse goes on writing", async () => {
  await page.keyboard.press("1");
  await page.keyboard.press("Alt+c");
  await page.locator(".closing button").click();
  await page.keyboard.press("n");
  assert.equal(await answer().inputValue(), "n");
  await page.getByRole("button", { name: "Send" }).click();
  await page.keyboard.press("n");
  assert.equal(await answer().inputValue(), "n");
});

test("a dialog has the keyboard where it is meant to be as soon as it is there", async () => {
  await page.keyboard.press("1");
  await page.keyboard.press("Alt+i");
  await dialog().waitFor();
  await page.keyboard.press("Escape");
  await dialog().waitFor({ state: "detached" });
  const field = await page.evaluate(async () => {
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "i", code: "KeyI", bubbles: true }));
    await Promise.resolve();
    return document.activeElement.id;
  });
  assert.equal(field, "field-name");
  await page.keyboard.press("Escape");
  await dialog().waitFor({ state: "detached" });

  const focused = await page.evaluate(() => {
    const isListed = new Promise((resolve) => {
      const observer = new MutationObserver(() => {
        if (!document.querySelector(".colleagues button")) return;
        observer.disconnect();
        resolve(document.activeElement.textContent);
      });
      observer.observe(document.body, { childList: true, subtree: true });
    });
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "h", code: "KeyH", bubbles: true }));
    return isListed;
  });
  assert.match(focused, /Mariam/);
});

test("keys count while a dialog is loaded, and it is given up when the person goes on or writes", async () => {
  const comesLate = async (key, goOn) => {
    await page.keyboard.press("Alt+1");
    await team.hang(/assets/);
    await page.keyboard.press(`Alt+${key}`);
    await goOn();
    await answerHanging();
    assert.equal(await dialog().count(), 0);
  };
  await comesLate("h", async () => {
    await page.keyboard.press("Alt+2");
    await untilShown("Omar");
    await row("Omar").locator(".badge").waitFor({ state: "detached" });
  });
  await comesLate("i", () => page.keyboard.type("Half"));
  assert.equal(await answer().inputValue(), "Half");
  await page.reload();
  await page.locator(".trust", { hasText: /^Live$/ }).waitFor();
  await comesLate("i", () => page.getByRole("link", { name: "Incidents" }).click());
});

test("a part that was given up does not open, and asked for again it opens for the chat that is shown", async () => {
  await team.hang(/assets/);
  await page.keyboard.press("1");
  await page.keyboard.press("Alt+i");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await answerHanging();
  assert.equal(await dialog().count(), 0);
  await untilShown("Kasia");

  await team.hang(/assets/);
  await page.keyboard.press("h");
  await page.keyboard.press("2");
  await untilShown("Omar");
  await page.keyboard.press("Alt+h");
  await team.hang(undefined);
  await dialog()
    .getByRole("heading", { name: words("Hand Omar over to") })
    .waitFor();
});

test("the key after the one that closes a dialog counts, and what came meanwhile has been read", async () => {
  await page.keyboard.press("1");
  await page.keyboard.press("Alt+h");
  await dialog().getByRole("button", { name: /Olga/ }).waitFor();
  await page.evaluate(() => {
    // As the browser does at Escape. The event comes a task later.
    document.querySelector("dialog").close();
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "2", code: "Digit2", bubbles: true }));
  });
  await untilShown("Omar");

  await page.keyboard.press("Alt+i");
  await dialog().waitFor();
  team.say("c2", "Where are you?");
  await row("Omar").locator(".badge").waitFor();
  const isUnread = await page.evaluate(async () => {
    const dialog = document.querySelector("dialog");
    const isClosed = new Promise((resolve) => dialog.addEventListener("close", () => setTimeout(resolve)));
    dialog.close();
    await isClosed;
    return document.querySelector("[aria-current=true] .badge") !== null;
  });
  assert.equal(isUnread, false);
});

test("a hand-over that was closed before it was asked for does not happen", async () => {
  team.replies.start_chat = (_, send) => send("info", { code: "no_new_chats", message: "nobody waits" });
  await page.keyboard.press("1");
  await page.keyboard.press("Alt+h");
  const olga = dialog().getByRole("button", { name: /Olga/ });
  await olga.waitFor();
  await team.hang(/agency\/organizers/);
  await Promise.all([page.waitForRequest(/agency\/organizers/), olga.click()]);
  await page.keyboard.press("Escape");
  await dialog().waitFor({ state: "detached" });
  await answerHanging();
  // The socket keeps the order of frames: whatever was sent before has come.
  await page.keyboard.press("Alt+n");
  await page.locator(".toast", { hasText: "Nobody is waiting" }).waitFor();
  assert.deepEqual(asked, []);
  await untilShown("Kasia");
});

test("an incident whose dialog was closed too soon says how it ended, and closes no other dialog", async () => {
  await page.keyboard.press("1");
  const save = async () => {
    await page.keyboard.press("Alt+i");
    await dialog().getByLabel("Name", { exact: true }).waitFor();
    await team.hang(/agency\/issues/);
    await Promise.all([page.waitForRequest(/agency\/issues/), page.keyboard.press("Enter")]);
    await page.keyboard.press("Escape");
    await dialog().waitFor({ state: "detached" });
    await page.locator(".bar [aria-keyshortcuts='?']").click();
  };
  const keys = dialog().getByRole("heading", { name: "Keys" });
  await save();
  team.problem = ["name must be shorter than or equal to 200 characters"];
  await answerHanging();
  await page.locator(".toast", { hasText: /Save incident: .*200/ }).waitFor();
  await keys.waitFor();
  await page.keyboard.press("Escape");
  await dialog().waitFor({ state: "detached" });

  team.problem = undefined;
  await save();
  await answerHanging();
  await page.locator(".toast", { hasText: "The incident is saved." }).waitFor();
  await keys.waitFor();
  assert.equal(team.issues.length, 1);
});

test("earlier chats that come late take nobody out of the middle of a sentence", async () => {
  await team.hang(/assets/);
  await page.keyboard.press("1");
  await page.keyboard.press("Alt+p");
  await page.keyboard.type("Half");
  await team.hang(undefined);
  await page.getByRole("heading", { name: words("Earlier chats of Kasia") }).waitFor();
  await page.keyboard.type(" more");
  assert.equal(await answer().inputValue(), "Half more");
  assert.equal(await row("Kasia").getAttribute("aria-current"), "true");
});

test("an answer about what somebody has left behind leaves them where they are, and a refusal is said", async () => {
  const leave = async () => {
    await page.getByRole("link", { name: "Incidents" }).click();
    await page.getByRole("link", { name: "New incident" }).click();
    await page.getByLabel("What has happened").fill("Smoke");
    await page.getByLabel("Description").fill("At the stage");
    await team.hang(/agency\/issues$/);
    const request = page.waitForRequest(/agency\/issues$/);
    await page.getByRole("button", { name: "Create incident" }).click();
    await request;
    await page.getByRole("link", { name: "Live" }).click();
    await page.keyboard.press("1");
    await page.keyboard.type("Half");
  };
  await leave();
  await answerHanging();
  await page.keyboard.type(" more");
  assert.equal(await answer().inputValue(), "Half more");
  assert.equal(team.issues.length, 1);

  await leave();
  team.problem = ["name must be shorter than or equal to 200 characters"];
  await answerHanging();
  await page.locator(".toast", { hasText: /Create incident: .*200/ }).waitFor();
});

test("the answer about a form that was left neither ends nor empties the one that was begun since", async () => {
  const begin = async (what) => {
    await page.locator(".areas").getByRole("link", { name: "Incidents" }).click();
    await page.getByRole("link", { name: "New incident" }).click();
    await page.getByLabel("What has happened").fill(what);
  };
  await begin("Smoke");
  await page.getByLabel("Description").fill("At the stage");
  const hanging = new Promise((resolve) => {
    page.route(/agency\/issues$/, (route) => (route.request().method() === "POST" ? resolve(route) : route.fallback()));
  });
  await page.getByRole("button", { name: "Create incident" }).click();
  const late = await hanging;
  await begin("Fire");
  await team.answer(late);
  await (await late.request().response()).finished();
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))));
  assert.equal(team.issues.length, 1);
  assert.match(page.url(), /incidents\/new$/);
  await page.reload();
  assert.equal(await page.getByLabel("What has happened").inputValue(), "Fire");
});

test("the answer about a comment touches neither the text nor the editor that was begun since", async () => {
  const incidents = await FakeIncidents.attach(page, team);
  incidents.add("Smoke", 3);
  incidents.comment(1, "By the stage", 2);
  incidents.comment(1, "It is thick", 1);
  const said = (text) => page.locator(".incident-comment", { hasText: text });
  const field = page.getByLabel("Your comment");
  const press = (name) => page.getByRole("button", { name, exact: true }).click();
  const edit = (text) => said(text).getByRole("button", { name: "Edit" }).click();
  /** Sends by a button, and returns what answers that. */
  const send = async (button) => {
    const hanging = new Promise((resolve) => page.route(/agency\/comments(\/\d+)?$/, resolve, { times: 1 }));
    await press(button);
    const late = await hanging;
    return async () => {
      await late.fulfill(incidents.answer(late.request()));
      await (await late.request().response()).finished();
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))));
    };
  };
  await page.locator(".areas").getByRole("link", { name: "Incidents" }).click();
  await page.locator(".entry a").click();

  await field.fill("First");
  let answerLate = await send("Comment");
  await field.fill("Second");
  await answerLate();
  await said("First").waitFor();
  assert.equal(await field.inputValue(), "Second");
  await page.reload();
  assert.equal(await field.inputValue(), "Second");

  // The form for a new comment is gone meanwhile, and comes again.
  answerLate = await send("Comment");
  await edit("It is thick");
  await press("Cancel");
  await field.fill("Third");
  await answerLate();
  await page.reload();
  assert.equal(await field.inputValue(), "Third");

  await edit("By the stage");
  await field.fill("By the gate");
  answerLate = await send("Save");
  await press("Cancel");
  await edit("It is thick");
  await field.fill("It is thin");
  await answerLate();
  await said("By the gate").waitFor();
  assert.equal(await field.inputValue(), "It is thin");
  assert.equal(incidents.comments.length, 4);
});
