// The second factor in the console: signing in with it, turning it on and off, and removing it from somebody.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { launchBrowser } from "./browser.mjs";
import { ORIGIN } from "./fake.mjs";
import { openOffice } from "./fake-people.mjs";
import { signIn } from "./looks.mjs";
import { scan } from "./qr.mjs";

const CODE = "287082";

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
  await context.close();
});

const press = (name) => page.getByRole("button", { name, exact: true }).click();
const field = (label) => page.getByLabel(label, { exact: true });
const signInCode = () => field("Code of your app, or a recovery code");

test("the sign-in asks for a code only when the service does, and says that it was wrong", async () => {
  await page.goto(`${ORIGIN}/console`);
  await page.locator("#email").waitFor();
  assert.equal(await page.locator("#code").count(), 0);

  team.code = CODE;
  await signIn(page);
  await page.locator("#code:focus").waitFor();
  assert.equal(await page.locator(".problem").count(), 0);
  assert.equal(await page.locator("#password").inputValue(), "right");
  await signInCode().fill("000000");
  await press("Sign in");
  await page.getByText("This code is wrong, or was used already.").waitFor();
  await page.locator("#code[aria-invalid=true]:focus").waitFor();
  await signInCode().fill(CODE);
  await press("Sign in");
  await page.locator(".bar").waitFor();
});

test("the second factor is turned on with a QR code, and its recovery codes are saved", async () => {
  await signIn(page, { address: "/console/profile" });
  await press("Turn on");
  await field("Present password").last().fill("wrong");
  await press("Next");
  await page.getByText("This is not your present password.").waitFor();
  await field("Present password").last().fill("right");
  await press("Next");
  await page.locator("svg.qr").waitFor();
  await page.locator("#field-code:focus").waitFor();
  await page.getByText("GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ").waitFor();
  assert.match(await scan(page), /^otpauth:\/\/totp\/Mayday:sam\?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ/);

  await field("Code of the app").fill("000000");
  await press("Turn on");
  await page.getByText("This code is wrong, or was used already.").waitFor();
  await field("Code of the app").fill(CODE);
  await press("Turn on");
  await page.getByText("they are not shown again").waitFor();
  const codes = await page.locator(".codes li").allTextContents();
  assert.equal(new Set(codes).size, 10);
  const download = page.waitForEvent("download");
  await press("Save as a file");
  const saved = await readFile(await (await download).path(), "utf8");
  assert.equal(saved, `${codes.join("\n")}\n`);
  await press("Done");
  await page.getByText(/It is on\. Recovery codes left: \W*10/).waitFor();
  assert.equal(await page.locator(".codes").count(), 0);
});

test("the second factor is turned off with password and code", async () => {
  office.withSecondFactor.add(team.user.id);
  await signIn(page, { address: "/console/profile" });
  await press("Turn off");
  const form = page.locator(".second-factor form");
  await form.locator("#field-password").fill("right");
  await form.locator("#field-code").fill("000000");
  await press("Turn off");
  await form.locator("#code-problem").waitFor();
  await form.locator("#field-code").fill(CODE);
  await press("Turn off");
  await page.locator(".toast", { hasText: "The second factor is off." }).waitFor();
  await page.getByRole("button", { name: "Turn on" }).waitFor();
});

test("nothing of a code or password stays in the browser's storage", async () => {
  office.withSecondFactor.add(team.user.id);
  await signIn(page, { address: "/console/profile" });
  await press("Turn off");
  await page.locator(".second-factor #field-password").fill("a secret password");
  await page.locator(".second-factor #field-code").fill("135791");
  const kept = await page.evaluate(() => JSON.stringify({ ...sessionStorage, ...localStorage }));
  assert.doesNotMatch(kept, /a secret password|135791/);
});

test("a change of the password asks for a code, and the person stays signed in", async () => {
  office.withSecondFactor.add(team.user.id);
  team.code = undefined;
  await signIn(page, { address: "/console/profile" });
  await page.locator(".second-factor").getByText("It is on.").waitFor();
  team.code = CODE;
  await field("Present password").fill("the old password of Sam");
  await field("New password").fill("the new password of Sam");
  await field("The new password again").fill("the new password of Sam");
  await signInCode().fill(CODE);
  await page.route("**/organizer/profile/change-password", (route) => route.fulfill({ json: team.user }));
  await press("Change the password");
  await page.locator(".toast", { hasText: "The password is changed." }).waitFor();
  await page.locator(".bar").waitFor();
});

test("a senior removes the second factor of somebody who has one", async () => {
  team.user.role = 2;
  office.withSecondFactor.add(14);
  await signIn(page, { address: "/console/people/13" });
  await page.locator(".known").waitFor();
  await page.goto(`${ORIGIN}/console/people/14`);
  await press("Remove the second factor");
  await page.getByRole("dialog").getByText("Make sure first that it is really they who ask.").waitFor();
  await press("Yes, remove");
  await page.locator(".toast", { hasText: "The second factor of" }).waitFor();
  await page.getByRole("button", { name: "Remove the second factor" }).waitFor({ state: "detached" });
  assert.equal(office.withSecondFactor.size, 0);
});
