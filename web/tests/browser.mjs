// Chromium for the tests of the pages.
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const images = path.join(path.dirname(fileURLToPath(import.meta.url)), "../../docs/images");

export function launchBrowser() {
  return chromium.launch({
    executablePath: process.env.MAYDAY_CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--disable-quic",
    ],
  });
}

/** A phone in Kraków whose owner lets pages know where it is. */
export const PHONE = {
  viewport: { width: 390, height: 844 },
  locale: "en-GB",
  timezoneId: "Europe/Warsaw",
  geolocation: { latitude: 50.0614, longitude: 19.9383, accuracy: 12 },
  permissions: ["geolocation"],
  reducedMotion: "reduce",
};

/** A pattern for a text of the page: what is filled in is kept apart by characters that nobody sees. */
export function words(text) {
  const escaped = text.replace(/[.?*+()|[\]{}^$\\]/g, "\\$&");
  return new RegExp(escaped.replace(/ /g, "[ \u2068\u2069]+"));
}

/** Fails the test if the page has logged an error or broken its content security policy. */
export function watchErrors(page) {
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    const expected = /Failed to load resource|WebSocket connection to/;
    if (message.type() === "error" && !expected.test(message.text())) errors.push(message.text());
  });
  return errors;
}

/** The pictures of README.md. They show the time of day, so they are made only when somebody wants new ones. */
export async function picture(page, name) {
  if (!process.env.MAYDAY_PICTURES) return;
  await mkdir(images, { recursive: true });
  await page.screenshot({ path: path.join(images, `${name}.png`) });
}
