// Fails every test that gets an answer or a frame that is not as the documents of the services and the socket say, and
// notes what the logs must not hold.
import assert from "node:assert/strict";
import { afterEach } from "node:test";
import WebSocket from "ws";
import { type Answer, type Protocol, wrongAnswer, wrongClose, wrongFrame } from "./documents.js";
import { noteAnswered, noteQuery, noteSent } from "./secrets.js";

const wrongs = new Set<string>();
const looks = new Set<Promise<void>>();

afterEach(async () => {
  await Promise.all(looks);
  const texts = [...wrongs];
  wrongs.clear();
  if (texts.length > 0) assert.fail(texts.join("\n"));
});

function note(wrong: string | undefined): void {
  if (wrong !== undefined) wrongs.add(wrong);
}

/** Looks at an answer as soon as it is there. The test does not end before. */
export function watchAnswer(reading: Promise<Answer>): void {
  const look = reading
    .then((answer) => {
      noteQuery(answer.url);
      noteSent(answer.sent ?? "");
      noteAnswered(answer.body ?? "");
      note(wrongAnswer(answer));
    })
    .finally(() => looks.delete(look));
  looks.add(look);
}

/** What a socket tells where there was no close frame, or one without a code. */
const NO_CODES = [1005, 1006];

/** What goes over one socket. */
export class Conversation {
  #protocol: Protocol = "contract";

  sent(text: string): void {
    noteSent(text);
    const frame = JSON.parse(text);
    if (frame.protocol === 2) this.#protocol = "protocol2";
    note(wrongFrame("client", this.#protocol, frame));
  }

  received(text: string): void {
    note(wrongFrame("server", this.#protocol, JSON.parse(text)));
  }

  closed(code: number): void {
    if (!NO_CODES.includes(code)) note(wrongClose(this.#protocol, code));
  }
}

/** Sockets of this process. */
export class WatchedSocket extends WebSocket {
  readonly #conversation = new Conversation();

  constructor(url: string) {
    super(url);
    this.on("message", (data) => this.#conversation.received(String(data)));
    this.on("close", (code) => this.#conversation.closed(code));
  }

  override send(text: string): void {
    this.#conversation.sent(text);
    super.send(text);
  }
}

const { fetch } = globalThis;
/** Calls of this process. */
globalThis.fetch = async (input, init) => {
  const response = await fetch(input, init);
  const { url, status, headers } = response;
  const { method = "GET", body: sending } = init ?? {};
  const sent = typeof sending === "string" ? sending : undefined;
  // An answer that breaks off has no body to look at.
  const body = response
    .clone()
    .text()
    .catch(() => undefined);
  watchAnswer(body.then((body) => ({ method, url, sent, status, headers: Object.fromEntries(headers), body })));
  return response;
};
