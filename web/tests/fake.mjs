// The services, played inside the browser's network layer, for states that real ones are hard to bring to: every screen
// in every language, a service that fails, people who write badly. What the services do is proven by stories.test.mjs.
import { createHash, randomUUID } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { playSockets } from "./browser.mjs";
import { asNew, idOf, refusal } from "./fake-pages.mjs";

const dist = path.join(path.dirname(fileURLToPath(import.meta.url)), "..", "dist");
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".webmanifest": "application/manifest+json",
};
export const ORIGIN = "https://mayday.test";
const NOW = () => new Date().toISOString();

export const EVENT = {
  id: 1,
  name: "Summer Night at the River",
  description: "",
  address: "Bulwary Wiślane, Kraków",
  lat: 50.05,
  lng: 19.93,
  timeStart: "2026-07-03T16:00:00.000Z",
  timeEnd: "2026-07-03T23:00:00.000Z",
  agencyId: 4,
};
/** As participants see it. */
const SHOWN = { ...EVENT, helpPhoneNumber: "+48 555 000 111" };
const CHAT = idOf("c1");

/** What the service tells of a request. */
function shown({ lat, lng, accuracy, positionAt, ...request }) {
  return request;
}

export class FakeService {
  events = [SHOWN, { ...SHOWN, id: 2, name: "Derby", address: "Reymonta 20, Kraków", lat: 50.07, lng: 19.91 }];
  request;
  chat;
  messages = [];
  sockets = new Set();
  /** Sockets are closed at once, as by a proxy whose service is down. */
  refusesSockets = false;
  /** Answers of the participant service are replaced by this status. */
  failing = 0;
  /** After how many seconds a caller that was told 503 may ask again. */
  retryAfterSeconds = 1;
  presses = [];
  /** Revoked tokens, and the number of sign-ins. */
  ended = new Set();
  signIns = 0;
  #answers = new EventEmitter();

  async attach(context) {
    await context.route(`${ORIGIN}/**`, async (route) => {
      await this.answer(route);
      this.#answers.emit("answer");
    });
    await playSockets(context, (socket) => this.serve(socket));
  }

  async until(condition) {
    while (!condition()) await once(this.#answers, "answer");
  }

  async answer(route) {
    const request = route.request();
    const { pathname, searchParams } = new URL(request.url());
    if (pathname === "/config.json") return route.fulfill({ json: { websocketUrl: "", tileUrl: "", languages: [] } });
    if (!pathname.startsWith("/participant/")) return serveFile(route, pathname);
    if (this.failing) return route.fulfill(refusal(this.failing, "no", this.retryAfterSeconds));
    const call = `${request.method()} ${pathname.slice("/participant".length)}`;
    const body = request.postDataJSON?.() ?? {};
    const token = request.headers().authorization?.slice("Bearer ".length);
    if (this.ended.has(token) && !pathname.includes("/auth/")) return route.fulfill(refusal(401, "invalid token"));
    const user = { id: 31, email: "guest-1@guest.invalid", phoneNumber: "", timeCreated: NOW(), timeSignOut: NOW() };
    if (call === "POST /auth/guest") {
      return route.fulfill({
        status: 201,
        json: { user: { ...user, guest: true }, token: "participant:x.x.x", password: "p" },
      });
    }
    if (call === "POST /auth/sign-in" || call === "POST /auth/sign-up") {
      if (body.password === "wrong-password") {
        return route.fulfill(refusal(401, "invalid email or password"));
      }
      if (body.password === "password1") {
        return route.fulfill(refusal(400, "password must not be a common password"));
      }
      const isNew = call === "POST /auth/sign-up";
      // What a guest has open is the account's now.
      if (!isNew && token) this.end(token);
      const status = isNew ? 201 : 200;
      return route.fulfill({
        status,
        json: { user: { ...user, email: body.email }, token: `participant:y.y.${++this.signIns}` },
      });
    }
    if (call === "POST /auth/sign-out") {
      this.end(token);
      return route.fulfill({ body: "" });
    }
    if (call === "PATCH /profile/change-password") {
      if (body.oldPassword === "wrong-password") return route.fulfill(refusal(401, "invalid password"));
      if (body.newPassword === "password1") {
        return route.fulfill(refusal(400, "newPassword must not be a common password"));
      }
      // The sockets may hear of it sooner than the caller.
      this.end(token);
      return route.fulfill({ json: { ...user, email: "ola@example.org" } });
    }
    if (call === "GET /events") {
      const query = (searchParams.get("query") ?? "").toLowerCase();
      return route.fulfill({ json: this.events.filter(({ name }) => name.toLowerCase().includes(query)) });
    }
    if (call.startsWith("GET /events/")) {
      const event = this.events.find(({ id }) => pathname.endsWith(`/${id}`));
      if (event) return route.fulfill({ json: { ...event, isChatRequested: Boolean(this.request) } });
      return route.fulfill(refusal(404, "event not found"));
    }
    if (call === "POST /chat-requests") {
      this.presses.push(body);
      this.request ??= { ...body, state: "waiting", position: 3, estimatedWaitSeconds: 240, receivedAt: NOW() };
      return route.fulfill({ json: shown(this.request) });
    }
    if (call === "GET /chat-requests/mine") return route.fulfill({ json: this.request ? [shown(this.request)] : [] });
    if (call.startsWith("PATCH /chat-requests/mine/")) {
      Object.assign(this.request, body);
      return route.fulfill({ json: shown(this.request) });
    }
    if (call.startsWith("DELETE /chat-requests/mine/")) {
      this.request = undefined;
      return route.fulfill({ body: "" });
    }
    return route.fulfill(refusal(404, call));
  }

  serve(socket) {
    if (this.refusesSockets) return socket.close({ code: 1013 });
    socket.onClose(() => this.sockets.delete(socket));
    const send = (type, payload) => socket.send(`${JSON.stringify({ type, payload })}\n`);
    socket.onMessage((text) => {
      const { type, payload, Authorization } = JSON.parse(text);
      if (Authorization) {
        if (this.ended.has(Authorization.slice("Bearer ".length))) return socket.close({ code: 4500 });
        this.sockets.add(socket);
        send("ready", { connectionId: randomUUID(), protocol: 2, principal: { realm: "participant", id: 31 } });
        if (this.request?.state === "waiting") this.tellPosition();
        this.#answers.emit("answer");
      } else if (type === "get_chats") {
        send("chats", { chats: this.chat ? [this.chat] : [] });
      } else if (type === "get_chat_history") {
        const messages = this.messages.filter(({ seq }) => seq > (payload.afterSeq ?? 0));
        send("chat_history", { chatId: payload.chatId, messages, lastSeq: this.messages.length });
      } else if (type === "send_message") {
        const { chatId: asked, message, clientId, lat, lng } = payload;
        if (!this.chat) {
          return send("error", { code: "no_access", message: `you have no access to chat ${asked}`, clientId });
        }
        const stored = this.store({ content: message, clientId, fromOrganizer: 0, authorId: 31, lat, lng });
        const { id, chatId, seq, timeSent } = stored;
        send("message_saved", { clientId, id, chatId, seq, timeSent });
      }
    });
  }

  tell(type, payload) {
    for (const socket of this.sockets) socket.send(`${JSON.stringify({ type, payload })}\n`);
  }

  /** Ends all connections. */
  drop(code = 1012) {
    for (const socket of this.sockets) socket.close({ code });
    this.sockets.clear();
  }

  /** Ends a sign-in. */
  end(token) {
    this.ended.add(token);
    this.drop(4501);
  }

  tellPosition() {
    const { eventId, position, estimatedWaitSeconds } = this.request;
    this.tell("queue_position", { eventId, position, estimatedWaitSeconds });
  }

  store(message) {
    const seq = this.messages.length + 1;
    const stored = { id: idOf(`m${seq}`), chatId: this.chat.id, timeSent: NOW(), seq, ...message };
    this.messages.push(stored);
    this.chat.lastSeq = seq;
    this.tell("user_message", stored);
    return stored;
  }

  take(organizerName) {
    this.chat = {
      id: CHAT,
      agencyId: 4,
      eventId: this.request.eventId,
      organizerId: 12,
      participantId: 31,
      ended: 0,
      timeStart: NOW(),
      timeEnd: "0001-01-01T00:00:00Z",
      state: "active",
      lastSeq: 0,
      readSeq: 0,
      ownReadSeq: 0,
      ...(organizerName && { organizerName }),
    };
    this.request = { ...this.request, state: "active", position: null, chatId: CHAT };
    this.tell("new_chat", asNew(this.chat));
    const { description } = this.request;
    this.store({ content: `Problem description: ${description ?? ""}`, fromOrganizer: 0, authorId: 31 });
  }

  write(content) {
    this.store({ content, fromOrganizer: 1, authorId: 12 });
  }

  read() {
    this.chat.readSeq = this.messages.length;
    this.tell("read", { chatId: CHAT, seq: this.messages.length, fromOrganizer: 1 });
  }

  close() {
    this.tell("closed_chat", { chatId: CHAT });
    this.chat = undefined;
    this.request = undefined;
  }
}

/** Serves what the server would, under the policy that the server sets. */
export async function serveFile(route, pathname) {
  const [, name] = /^\/(help|console)(?:\/|$)/.exec(pathname) ?? [];
  const page = name ? `/${name}.html` : pathname === "/" ? "/index.html" : pathname;
  let body;
  try {
    body = await readFile(path.join(dist, page));
  } catch {
    return route.fulfill({ status: 404, body: "" });
  }
  const headers = { "content-type": TYPES[path.extname(page)] ?? "application/octet-stream" };
  if (page.endsWith(".html")) headers["content-security-policy"] = policyFor(String(body));
  return route.fulfill({ status: 200, headers, body });
}

function policyFor(html) {
  const hashes = (tag) =>
    [...html.matchAll(new RegExp(`<${tag}>([^]*?)</${tag}>`, "g"))]
      .map(([, text]) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`)
      .join(" ");
  return [
    "default-src 'none'",
    `script-src 'self' ${hashes("script")}`,
    `style-src 'self' ${hashes("style")}`,
    "img-src 'self' data: https://tiles.example",
    "connect-src 'self' ws: wss:",
    "manifest-src 'self'",
    "worker-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
  ].join("; ");
}
