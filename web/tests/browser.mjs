// Chromium for the tests of the pages.
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { Conversation, isDocumented, watchAnswer } from "./system.mjs";

/** For what takes moments, on a machine that does much else. */
const PATIENCE_MS = 60_000;

const images = path.join(path.dirname(fileURLToPath(import.meta.url)), "../../docs/images");

export async function launchBrowser() {
  const browser = await chromium.launch({
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
  return browser.on("context", watch);
}

/** Compares what the pages receive, and say over sockets, with the documents: also where a test plays the services. */
function watch(context) {
  context.setDefaultTimeout(PATIENCE_MS);
  context.on("requestfinished", (request) => {
    const response = request.existingResponse();
    if (response && isDocumented(request.url())) watchAnswer(answerOf(request, response));
  });
  context.on("page", (page) => {
    page.on("websocket", (socket) => {
      const conversation = new Conversation();
      socket.on("framesent", ({ payload }) => conversation.sent(payload));
      socket.on("framereceived", ({ payload }) => conversation.received(payload));
    });
  });
}

async function answerOf(request, response) {
  // A page that goes away takes the bodies along.
  const body = await response.text().catch(() => undefined);
  return {
    ...{ method: request.method(), url: request.url(), sent: request.postData() ?? undefined },
    ...{ status: response.status(), headers: response.headers(), body },
  };
}

/** Lets a test play the other side of the pages' sockets, which Chromium then knows nothing of. */
export function playSockets(context, play) {
  return context.routeWebSocket(/mayday\.test\/connect/, (socket) => {
    const conversation = new Conversation();
    play({
      send: (text) => {
        conversation.received(text);
        socket.send(text);
      },
      onMessage: (listen) =>
        socket.onMessage((text) => {
          conversation.sent(text);
          listen(text);
        }),
      onClose: (listen) => socket.onClose(listen),
      close: (options) => socket.close(options),
    });
  });
}

/** A phone in Kraków whose owner lets pages know where it is, with more digits than the time of a log has by chance. */
export const PHONE = {
  viewport: { width: 390, height: 844 },
  locale: "en-GB",
  timezoneId: "Europe/Warsaw",
  geolocation: { latitude: 50.061432, longitude: 19.938317, accuracy: 12 },
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
