// The archive, in a real browser and with real services.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { Desks } from "./desks.mjs";

let desks;
before(async () => {
  desks = await Desks.up();
});
after(() => desks?.down());

/** One chat, from the press to its end. */
async function chat(desk, phone, text) {
  const { page } = desk;
  await page.locator(".figures dd").first().getByText("1", { exact: true }).waitFor();
  await page.keyboard.press("n");
  await page.getByLabel("Your answer").fill(text);
  await page.getByLabel("Your answer").press("Enter");
  await phone.page.locator(".message", { hasText: text }).waitFor();
  await page.keyboard.press("Alt+c");
  await phone.page.getByText("The chat has ended").first().waitFor();
  await page.getByText("No open chats").waitFor();
}

test("a closed chat is found in the archive by a word of it, read, printed and downloaded", async () => {
  const desk = await desks.agent(desks.system.ready.demo.support);
  const { page } = desk;
  const first = await desks.person();
  await chat(desk, first, "The first-aid tent is behind stage 2.");
  const second = await desks.person("Lost, or missing somebody");
  await chat(desk, second, "Your sister waits at the info point.");
  // The same person once more.
  await second.page.locator("button.press").click();
  await chat(desk, second, "Is there anything else?");

  await page.getByRole("link", { name: "Archive" }).click();
  await page.locator(".entry").nth(2).waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("SISTER");
  await page.locator(".entry").nth(1).waitFor({ state: "detached" });
  assert.equal(await page.locator(".entry").count(), 1);
  await page.keyboard.press("Escape");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.locator(".transcript mark", { hasText: "sister" }).waitFor();
  await page.getByText("There are none.").waitFor();
  await page.locator(".archive-facts").getByText("Sam Support").waitFor();
  await page.locator(".archive-facts a[href^='geo:50.06']").waitFor();
  await page.locator(".archive-facts").getByText("Lost, or missing somebody").waitFor();

  const [download] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("d")]);
  const saved = JSON.parse(await readFile(await download.path(), "utf8"));
  assert.match(download.suggestedFilename(), /^mayday-chat-[0-9a-f]{24}\.json$/);
  assert.equal(saved.chat.ended, 1);
  assert(saved.messages.some(({ content }) => content === "Your sister waits at the info point."));
  assert.deepEqual(
    saved.messages.map(({ seq }) => seq),
    saved.messages.map((_, index) => index + 1),
  );

  // On paper there is the chat, and nothing to press.
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  assert.equal(await page.locator(".bar, .areas, .page button").and(page.locator(":visible")).count(), 0);
  await page.getByText("Time zone of all times").waitFor();
  const colours = await page.locator(".transcript").evaluate((element) => {
    const { color } = getComputedStyle(element);
    return [color, getComputedStyle(document.body).backgroundColor];
  });
  assert.deepEqual(colours, ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]);
  await page.emulateMedia({ media: "screen", colorScheme: "light" });

  // A link to a chat works by itself, and shows what the person asked before.
  await page.getByRole("link", { name: "All chats of this person" }).click();
  await page.locator(".entry").nth(1).waitFor();
  await page.locator(".entry a").first().click();
  await page.locator(".transcript").getByText("Is there anything else?").waitFor();
  await page.reload();
  await page.locator(".transcript").getByText("Is there anything else?").waitFor();
  await page.locator(".archive-earlier .entry a").click();
  await page.getByText("Your sister waits").waitFor();
  await page.goBack();
  await page.locator(".transcript").getByText("Is there anything else?").waitFor();
  assert.deepEqual(desk.errors, []);
  await Promise.all([desk, first, second].map(({ context }) => context.close()));
});
