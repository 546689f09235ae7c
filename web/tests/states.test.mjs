// What the phone page does in states that real services are hard to bring to, by keyboard, and for a screen reader.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { launchBrowser, PHONE, watchErrors, words } from "./browser.mjs";
import { FakeService, ORIGIN } from "./fake.mjs";
import { idOf, refusal } from "./fake-pages.mjs";

let browser;
let context;
let page;
let service;
let errors;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser?.close());
beforeEach(async () => {
  context = await browser.newContext({ ...PHONE, serviceWorkers: "block" });
  service = new FakeService();
  await service.attach(context);
  page = await context.newPage();
  errors = watchErrors(page);
});
afterEach(async () => {
  assert.deepEqual(errors, []);
  await context.close();
});

const help = () => page.getByRole("button", { name: "I need help" });
const text = (wanted) => page.getByText(words(wanted)).first();
const open = async (address = "/help/1") => {
  await page.goto(ORIGIN + address);
  await text("If you can, tell more").waitFor();
};
const press = async () => {
  await open();
  await help().click();
  await text("You are number 3 in the queue").waitFor();
};

test("a press sends what was told before it, and once only", async () => {
  await open();
  await page.getByLabel("Threat or violence").check();
  await page.getByLabel("A few words").fill("Block C");
  await help().dblclick();
  await text("You are number 3 in the queue").waitFor();
  assert.equal(service.presses.length, 1);
  const [{ kind, description, clientId, pressedAt }] = service.presses;
  assert.deepEqual([kind, description], ["threat", "Block C"]);
  assert.match(clientId, /^[0-9a-f-]{36}$/);
  assert(Math.abs(Date.now() - Date.parse(pressedAt)) < 60_000);
});

test("the position follows the press, with accuracy and time", async () => {
  await press();
  await text("Position known, accurate to 12 m").waitFor();
  await service.until(() => service.request.lat);
  const said = service.request;
  assert.deepEqual([said.lat, said.lng, said.accuracy], [50.061432, 19.938317, 12]);
  assert(Date.parse(said.positionAt) <= Date.now());
});

test("a refused position costs nothing", async () => {
  await context.clearPermissions();
  await press();
  await text("Your request counts the same").waitFor();
  assert.equal(service.presses.length, 1);
  assert.equal(service.request.lat, undefined);
});

test("what is told after the press reaches the request", async () => {
  await press();
  await page.getByLabel("Injury or illness").check();
  await text("The team sees what you have added.").waitFor();
  await page.getByLabel("A few words").fill("My leg");
  await page.getByRole("button", { name: "Tell the team" }).click();
  await service.until(() => service.request.description);
  assert.deepEqual([service.request.kind, service.request.description], ["medical", "My leg"]);
});

test("the page says that the team sees the details only once the service has them", async () => {
  await press();
  await service.until(() => service.request.lat);
  service.failing = 503;
  await page.getByLabel("A few words").fill("My leg");
  await page.getByRole("button", { name: "Tell the team" }).focus();
  await page.keyboard.press("Enter");
  const told = (wanted) => page.getByRole("status").filter({ hasText: wanted });
  await told("Kept. It is sent together with your request.").waitFor();
  assert.equal(await told("The team sees").count(), 0);
  // The button is gone; the focus is on the line in its place.
  assert.match(await page.evaluate(() => document.activeElement.textContent), /^Kept/);
  service.failing = 0;
  await told("The team sees what you have added.").waitFor();
});

test("the button that finds the position keeps the focus, and the result is said", async () => {
  await press();
  await text("Position known, accurate to 12 m").waitFor();
  await page.getByRole("button", { name: "Find my position" }).focus();
  await page.keyboard.press("Enter");
  await page
    .locator("#announce", { hasText: words("Position known, accurate to 12 m") })
    .waitFor({ state: "attached" });
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Find my position");
});

const pressIsKept = async () => {
  await help().click();
  await text("Saved on this phone").waitFor();
  await text("It is sent again by itself").waitFor();
};

test("with the service down the press is kept, and sent by itself when it answers", async () => {
  service.failing = 503;
  await open();
  await text("The service does not answer. Pressing and writing still work").waitFor();
  await pressIsKept();
  service.failing = 0;
  await text("You are number 3 in the queue").waitFor();
  assert.equal(service.presses.length, 1);
});

test("a press that is kept is sent at once when the person wants it", async () => {
  // Nothing sends it within the test: no account that is still to be made, no position that is to be sent, and the
  // service asks for a minute.
  await context.clearPermissions();
  await open();
  service.failing = 503;
  service.retryAfterSeconds = 60;
  await pressIsKept();
  service.failing = 0;
  await page.getByRole("button", { name: "Try now" }).click();
  await text("You are number 3 in the queue").waitFor();
  assert.equal(service.presses.length, 1);
});

test("without storage the page says what is lost, and works", async () => {
  await page.addInitScript(() => {
    for (const name of ["indexedDB", "localStorage"]) {
      Object.defineProperty(window, name, {
        get() {
          throw new DOMException("denied", "SecurityError");
        },
      });
    }
  });
  await press();
  await text("This browser keeps nothing. Leave this page open").waitFor();
  await text("Kept while this page is open").waitFor();
});

test("a request can be taken back while it waits", async () => {
  await press();
  await page.getByRole("button", { name: "Take the request back" }).click();
  await page.getByRole("button", { name: "No, keep it" }).click();
  await page.getByRole("button", { name: "Take the request back" }).click();
  await page.getByRole("button", { name: "Yes, take it back" }).click();
  await page.getByRole("heading", { name: "Your request is taken back." }).waitFor();
  assert.equal(service.request, undefined);
  await page.getByRole("button", { name: "I need help again" }).click();
  await text("You are number 3 in the queue").waitFor();
});

test("a request that could not be taken back says so once the service has failed, and can be taken back again", async () => {
  // The press itself has failed before. It is not sent again by itself within the test.
  await context.clearPermissions();
  await open();
  service.failing = 503;
  service.retryAfterSeconds = 60;
  await pressIsKept();
  const held = new Promise((resolve) => {
    page.route("**/chat-requests/mine/*", (route) =>
      route.request().method() === "DELETE" ? resolve(route) : route.fallback(),
    );
  });
  const button = page.getByRole("button", { name: "Take the request back" });
  const takeBack = async () => {
    await button.click();
    await page.getByRole("button", { name: "Yes, take it back" }).click();
  };
  await takeBack();
  const route = await held;
  const notice = page.getByText("The service does not answer, so your request still stands.");
  assert.equal(await notice.count(), 0);
  assert.equal(await button.isDisabled(), true);
  await route.fulfill(refusal(503, "no", 60));
  await notice.waitFor();
  assert.equal(await button.isDisabled(), false);
  service.failing = 0;
  await page.unroute("**/chat-requests/mine/*");
  await takeBack();
  await page.getByRole("heading", { name: "Your request is taken back." }).waitFor();
});

test("a position is shared only while the switch is on", async () => {
  await press();
  service.take("Anna");
  const share = page.getByLabel("Share my position while this chat is open");
  await share.check();
  const shared = page.locator(".mine", { hasText: words("My position, accurate to 12 m") });
  await shared.getByText("Delivered").waitFor();
  assert.equal(service.messages.at(-1).lat, 50.061432);
  assert.equal(await page.locator(".composer").getByRole("status").textContent(), "");
  await share.uncheck();
  await page.getByRole("button", { name: "Yes", exact: true }).click();
  await page.locator(".mine", { hasText: "Yes" }).getByText("Delivered").waitFor();
  assert.equal(service.messages.at(-1).lat, undefined);
});

test("a phone that refuses the position says so beside the switch", async () => {
  await press();
  service.take("Anna");
  await context.clearPermissions();
  const share = page.getByLabel("Share my position while this chat is open");
  await share.check();
  const status = page.locator(".composer").getByRole("status");
  await status.getByText("Without your position").waitFor();
  await share.uncheck();
  await status.getByText("Without your position").waitFor({ state: "detached" });
});

test("what was not sent before the chat ended is shown as not delivered", async () => {
  await press();
  service.take("Anna");
  await text("Anna is with you").waitFor();
  service.refusesSockets = true;
  service.drop();
  await text("Connecting").waitFor();
  await page.getByLabel("Your message").fill("I am at gate 4");
  await page.keyboard.press("Enter");
  await page.locator(".mine", { hasText: "I am at gate 4" }).getByText("Saved on this phone").waitFor();
  service.close();
  // The phone asks at once how things stand.
  await page.evaluate(() => dispatchEvent(new Event("online")));
  await page.getByRole("heading", { name: "The chat has ended" }).waitFor();
  service.refusesSockets = false;
  const lost = page.getByRole("alert").filter({ hasText: "I am at gate 4" });
  await lost.getByText("Not delivered: the chat has ended").waitFor();
  assert.equal(await page.evaluate(() => scrollY), 0);
});

test("a chat that loses its helper goes back into the queue", async () => {
  await press();
  service.take("Anna");
  await text("Anna is with you").waitFor();
  service.chat.state = "waiting";
  service.request = { ...service.request, state: "waiting", position: 1 };
  service.tell("chat_requeued", { chatId: idOf("c1"), organizerId: 12 });
  service.tell("queue_position", { eventId: 1, position: 1, estimatedWaitSeconds: -1 });
  await text("Your helper has lost the connection").waitFor();
  await text("You are next").waitFor();
});

test("a signed-in person whose token has ended signs in again and is back", async () => {
  await press();
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByLabel("E-mail address").fill("ola@example.org");
  await page.getByLabel("Password").fill("wrong-password");
  await page.locator("form").getByRole("button", { name: "Sign in" }).click();
  await text("The e-mail address or the password is wrong.").waitFor();
  await page.getByLabel("Password").fill("right-password");
  await page.locator("form").getByRole("button", { name: "Sign in" }).click();
  await page.locator("dialog").waitFor({ state: "detached" });
  service.failing = 401;
  await page.reload();
  await text("Your sign-in has ended. Sign in again").waitFor();
  service.failing = 0;
  await page.getByLabel("E-mail address").fill("ola@example.org");
  await page.getByLabel("Password").fill("right-password");
  await page.locator("form").getByRole("button", { name: "Sign in" }).click();
  await text("You are number 3 in the queue").waitFor();
});

test("a password that is easy to guess is refused, and another one is not", async () => {
  await press();
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("button", { name: "Create an account" }).click();
  await page.getByLabel("E-mail address").fill("ola@example.org");
  const signUp = async (password) => {
    await page.getByLabel("Password").fill(password);
    await page.locator("form").getByRole("button", { name: "Create an account" }).click();
  };
  await signUp("password1");
  await page.getByRole("alert").getByText("This password is easy to guess.").waitFor();
  await signUp("tiny horse!");
  await page.locator("dialog").waitFor({ state: "detached" });
});

/** Somebody who has signed in, and is in a chat. */
const signIn = async (password = "right-password") => {
  await page.getByLabel("E-mail address").fill("ola@example.org");
  await page.getByLabel("Password").fill(password);
  await page.locator("form").getByRole("button", { name: "Sign in" }).click();
  await page.locator("dialog").waitFor({ state: "detached" });
};
const chatSignedIn = async () => {
  await press();
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("button", { name: "Sign in" }).click();
  await signIn();
  service.take("Anna");
  await text("Anna is with you").waitFor();
};
const change = () => page.getByRole("button", { name: "Change the password" });
const openChange = async () => {
  await page.getByRole("button", { name: "Settings" }).click();
  await change().click();
  await page.getByLabel("Present password").waitFor();
};
const changePassword = async (present, next, again = next) => {
  await page.getByLabel("Present password").fill(present);
  await page.getByLabel("New password", { exact: true }).fill(next);
  await page.getByLabel("The new password again").fill(again);
  await change().click();
};
const isRefused = (why) => page.getByRole("alert").getByText(why).waitFor();
/** The chat goes on in both directions, and nobody was asked to sign in. */
const chatGoesOn = async () => {
  await service.until(() => service.sockets.size === 1);
  service.write("We are on our way");
  await text("We are on our way").waitFor();
  await page.getByRole("button", { name: "I have moved" }).click();
  await page.locator(".mine", { hasText: "I have moved" }).getByText("Delivered").waitFor();
  assert.equal(await page.getByText("Your sign-in has ended").count(), 0);
};

test("who changes the password stays in the chat", async () => {
  await chatSignedIn();
  await openChange();
  const fields = await page
    .locator("dialog form input")
    .evaluateAll((inputs) =>
      inputs.map((input) => [input.type, input.autocomplete, input.checkVisibility() ? "" : input.value]),
    );
  assert.deepEqual(fields, [
    ["email", "username", "ola@example.org"],
    ["password", "current-password", ""],
    ["password", "new-password", ""],
    ["password", "new-password", ""],
  ]);
  await changePassword("right-password", "tiny horse!");
  await page.locator("dialog").waitFor({ state: "detached" });
  await page.locator("#announce", { hasText: "The password is changed." }).waitFor({ state: "attached" });
  await chatGoesOn();
  assert.equal(service.signIns, 2);
  assert.equal(service.presses.length, 1);
});

test("a sign-in that gets no answer after the change is tried again, and nobody has to sign in", async () => {
  await chatSignedIn();
  await openChange();
  let lost = 0;
  await page.route("**/auth/sign-in", (route) => (++lost <= 2 ? route.abort() : route.fallback()));
  await changePassword("right-password", "tiny horse!");
  await page.locator("dialog").waitFor({ state: "detached" });
  assert.equal(lost, 3);
  await chatGoesOn();
});

test("a change of the password that is refused says why", async () => {
  await chatSignedIn();
  await openChange();
  await changePassword("right-password", "tiny horse!", "tiny house!");
  await isRefused("The two passwords are not the same.");
  await changePassword("right-password", "right-password");
  await isRefused("This is your present password. Choose another one.");
  await changePassword("wrong-password", "tiny horse!");
  await isRefused("This is not your present password.");
  await changePassword("right-password", "password1");
  await isRefused("This password is easy to guess.");
  service.failing = 503;
  await changePassword("right-password", "tiny horse!");
  await isRefused("The service does not answer.");
  service.failing = 0;
  assert.equal(service.ended.has("participant:y.y.1"), false);
  await page.keyboard.press("Escape");
  await chatGoesOn();
});

test("without network the menu says that the form cannot be loaded, and loads it when there is one", async () => {
  await chatSignedIn();
  await page.route("**/assets/forms-*", (route) => route.abort());
  await page.getByRole("button", { name: "Settings" }).click();
  await change().click();
  await isRefused("The service does not answer. Try again later. Your request is not affected.");
  await page.unroute("**/assets/forms-*");
  await change().click();
  await page.getByLabel("Present password").waitFor();
  assert.equal(await page.getByRole("alert").filter({ hasText: "The service" }).count(), 0);
});

test("a guest has no password to change", async () => {
  await press();
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("button", { name: "Create an account" }).waitFor();
  assert.equal(await change().count(), 0);
});

/** A guest in a chat who has asked to leave, and is asked once more. */
const askToLeave = async () => {
  await press();
  service.take("Anna");
  await text("Anna is with you").waitFor();
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await text("There is no way back to them: only this phone can open them.").waitFor();
};
const leave = () => page.getByRole("button", { name: "Sign out for good" });
const isGone = async () => {
  await page.locator("dialog").waitFor({ state: "detached" });
  await help().waitFor();
  assert.equal(await text("Anna is with you").count(), 0);
  const left = await page.evaluate(async () => {
    const answer = (request) =>
      new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    const db = await answer(indexedDB.open("mayday"));
    return answer(db.transaction("values").objectStore("values").getAllKeys());
  });
  assert.deepEqual(left, []);
};

test("a guest who signs out is told that there is no way back, and leaves nothing on the device", async () => {
  await askToLeave();
  assert.equal(service.ended.size, 0, "a guest is asked once more");
  await leave().click();
  await isGone();
  await page.locator("#announce", { hasText: "You are signed out." }).waitFor({ state: "attached" });
  assert.deepEqual([...service.ended], ["participant:x.x.x"]);
  assert.equal(service.request.state, "active", "what the team has stays with the team");
});

test("a guest who signs out without network leaves nothing on the device", async () => {
  await askToLeave();
  await context.setOffline(true);
  await page.route("**/auth/sign-out", (route) => route.abort());
  await leave().click();
  await isGone();
});

test("a guest who does not want to leave after all stays in the chat", async () => {
  await askToLeave();
  await page.keyboard.press("Escape");
  await page.locator("dialog").waitFor({ state: "detached" });
  assert.equal(service.ended.size, 0);
  await chatGoesOn();
});

test("a form of the account that opens has the focus at its text, not at its button", async () => {
  await askToLeave();
  await page.waitForFunction(() => document.activeElement.textContent.startsWith("Your requests and chats"));
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Sign out for good");
});

test("whose sign-in has ended elsewhere is asked to sign in, and is back in the chat", async () => {
  await chatSignedIn();
  service.end("participant:y.y.1");
  await text("Your sign-in has ended. Sign in again").waitFor();
  await signIn("tiny horse!");
  await chatGoesOn();
});

test("text of others stays text, in its place", async () => {
  const bad = '\u202Egnp.exe <img src=x onerror="document.title=1"> 🆘';
  service.events[0] = { ...service.events[0], name: bad };
  await open();
  await help().click();
  await text("You are number 3 in the queue").waitFor();
  service.take(bad);
  service.write(bad);
  await page.locator(".message", { hasText: "gnp.exe" }).waitFor();
  assert.equal(await page.locator("main img").count(), 0);
  const head = await page.locator(".there").textContent();
  assert(!head.includes("\u202E"), "a name has no bidi overrides");
  assert.equal(await page.locator(".message bdi[dir=auto]").last().textContent(), bad);
});

test("all of it works by keyboard", async () => {
  await open();
  await help().focus();
  await page.keyboard.press("Enter");
  await text("You are number 3 in the queue").waitFor();
  // The focus goes with the screen, and not back to the top of the document.
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  service.take("Anna");
  await page.getByLabel("Your message").focus();
  await page.keyboard.type("I am here");
  await page.keyboard.press("Enter");
  await page.locator(".mine", { hasText: "I am here" }).waitFor();
  await page.getByRole("button", { name: "I am safe" }).focus();
  await page.keyboard.press("Enter");
  // The safe answer has the focus; Escape is the same.
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "No, not yet");
  await page.keyboard.press("Escape");
  await page.locator("dialog").waitFor({ state: "detached" });
  assert.match(await page.evaluate(() => document.activeElement.textContent), /I am safe/);
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.locator(".mine", { hasText: "I am safe." }).waitFor();
});

test("a screen reader is told what changes", async () => {
  await page.addInitScript(() => {
    window.said = [];
    addEventListener("DOMContentLoaded", () => {
      for (const id of ["announce", "announce-urgent"]) {
        const region = document.getElementById(id);
        const observer = new MutationObserver(() => window.said.push(`${id}: ${region.textContent}`));
        observer.observe(region, { childList: true, characterData: true, subtree: true });
      }
    });
  });
  await press();
  service.take("Anna");
  await text("Anna is with you").waitFor();
  service.write("Where are you?");
  await text("Where are you?").waitFor();
  service.close();
  await page.getByRole("heading", { name: "The chat has ended" }).waitFor();
  const said = (await page.evaluate(() => window.said)).map((text) => text.replace(/[\u2068\u2069]/g, ""));
  assert.equal(said[0], "announce: Saved on this phone");
  assert(said.includes("announce: You are number 3 in the queue. Expected wait: about 4 minutes"));
  assert(said.includes("announce: Anna is with you"));
  assert(said.includes("announce-urgent: The team writes: Where are you?"));
  assert.equal(said.at(-1), "announce: The chat has ended");
});

test("a screen reader is told what the team writes also while a dialog is open", async () => {
  await press();
  service.take("Anna");
  await page.getByRole("button", { name: "Settings" }).click();
  await page.locator("dialog").waitFor();
  service.write("Where are you?");
  const said = words("The team writes: Where are you?");
  await page.locator("dialog [role=alert]", { hasText: said }).waitFor({ state: "attached" });
  const devtools = await context.newCDPSession(page);
  const isIgnored = async (selector) => {
    const { result } = await devtools.send("Runtime.evaluate", { expression: `document.querySelector("${selector}")` });
    const { objectId } = result;
    const { nodes } = await devtools.send("Accessibility.getPartialAXTree", { objectId, fetchRelatives: false });
    return nodes[0].ignored;
  };
  assert.equal(await isIgnored("dialog [role=alert]"), false);
  assert.equal(await isIgnored("#announce-urgent"), true, "what is outside the dialog is inert");
});

test("a screen reader is told all that the team wrote while the connection was down", async () => {
  await press();
  service.take("Anna");
  await text("Anna is with you").waitFor();
  service.drop();
  service.write("Stay where you are.");
  service.write("Two of us are on the way.");
  await text("Two of us are on the way.").waitFor();
  const said = await page.locator("#announce-urgent").textContent();
  assert.match(said, /Stay where you are\..*Two of us are on the way\./);
});

test("quiet mode is one tap, stays, and neither sounds nor vibrates", async () => {
  await page.addInitScript(() => {
    window.noises = 0;
    navigator.vibrate = () => ++window.noises;
  });
  await open();
  await page.getByRole("button", { name: "Quiet mode" }).click();
  await page.reload();
  const quiet = page.getByRole("button", { name: "Quiet mode", pressed: true });
  await quiet.waitFor();
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), "rgb(0, 0, 0)");
  await help().click();
  await text("You are number 3 in the queue").waitFor();
  service.take("Anna");
  service.write("Hello");
  await text("Hello").waitFor();
  assert.equal(await page.evaluate(() => window.noises), 0);
  await quiet.click();
  service.write("Hello again");
  await text("Hello again").waitFor();
  assert.equal(await page.evaluate(() => window.noises), 1);
});

test("only the chosen language is loaded, and it can be changed", async () => {
  const loaded = [];
  page.on("request", (request) => {
    const language = /assets\/([a-z]{2})-/.exec(request.url())?.[1];
    if (language) loaded.push(language);
  });
  await open();
  assert.deepEqual([...new Set(loaded)], ["en"]);
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByLabel("Language").selectOption("ar");
  await page.getByRole("heading", { name: "الإعدادات" }).waitFor();
  assert.deepEqual(await page.evaluate(() => [document.documentElement.lang, document.documentElement.dir]), [
    "ar",
    "rtl",
  ]);
  await page.reload();
  await page.getByRole("button", { name: "أحتاج إلى مساعدة" }).waitFor();
});

test("an event is found by name, and by what is near", async () => {
  await page.goto(`${ORIGIN}/help`);
  await page.getByRole("searchbox").fill("derby");
  await page.getByRole("link", { name: "Summer Night" }).waitFor({ state: "detached" });
  await page.getByRole("searchbox").fill("");
  await page.getByRole("link", { name: "Summer Night" }).waitFor();
  await page.getByRole("button", { name: "What is near me" }).click();
  await text("Nearest first").waitFor();
  await page.getByRole("link").first().click();
  await help().waitFor();
  assert.match(page.url(), /\/help\/\d$/);
  await page.goBack();
  await page.getByRole("searchbox").waitFor();
});
