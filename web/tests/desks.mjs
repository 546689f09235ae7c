// People at the pages of a running system, for stories: one browser context per person. With MAYDAY_DIST the pages come
// from dist/, and not from the component that was built last.
import { launchBrowser, PHONE, watchErrors } from "./browser.mjs";
import { serveFile } from "./fake.mjs";
import { System } from "./system.mjs";

export const DESK = { viewport: { width: 1280, height: 800 }, locale: "en-GB", reducedMotion: "reduce" };

export class Desks {
  static async up() {
    // One after the other: a browser that nobody closes keeps the tests from ending.
    const system = await System.up();
    return new Desks(system, await launchBrowser());
  }

  constructor(system, browser) {
    this.system = system;
    this.browser = browser;
  }

  async down() {
    await Promise.all([this.browser.close(), this.system.down()]);
  }

  /** `script` runs in the page before its own. */
  async open(options, name, script) {
    const isFromDist = Boolean(process.env.MAYDAY_DIST);
    // The component's service worker would bring pages of its own.
    const context = await this.browser.newContext({ ...options, ...(isFromDist && { serviceWorkers: "block" }) });
    if (script) await context.addInitScript(script);
    if (isFromDist) {
      // What a test answers has no address, and Chromium would keep it from the sockets of this machine.
      await context.grantPermissions([...(options.permissions ?? []), "local-network-access"]);
      await context.route(/:\d+\/(console|help|assets)(\/|$)/, (route) =>
        serveFile(route, new URL(route.request().url()).pathname),
      );
    }
    const page = await context.newPage();
    const errors = watchErrors(page);
    await page.goto(this.address(name));
    return { context, page, errors };
  }

  address(name) {
    return new URL(name, this.system.ready.organizer).href;
  }

  /** Somebody of the team, at an address of the console. */
  async agent(account, name = "/console") {
    const desk = await this.open(DESK, name);
    await signIn(desk.page, account);
    await isLive(desk.page);
    return desk;
  }

  /** Somebody at the page of the event. */
  async phone() {
    const phone = await this.open(PHONE, `/help/${this.system.event}`);
    await phone.page.locator("h1 bdi").waitFor();
    return phone;
  }

  /** Somebody who has pressed help. */
  async person(kind = "Injury or illness") {
    const phone = await this.phone();
    await phone.page.getByLabel(kind).check();
    await phone.page.locator("button.press").click();
    await phone.page.getByText("You are next").first().waitFor();
    return phone;
  }
}

export async function signIn(page, { email, password }) {
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

export const isLive = (page) => page.locator(".trust", { hasText: /^Live$/ }).waitFor();
