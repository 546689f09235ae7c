// The services as a support team sees them, played inside the browser's network layer: for the console's screens.
import { randomUUID } from "node:crypto";
import { playSockets } from "./browser.mjs";
import { EVENT, ORIGIN, serveFile } from "./fake.mjs";
import { answerEvents } from "./fake-events.mjs";
import { answerLive } from "./fake-live.mjs";
import { asNew, idOf, refusal } from "./fake-pages.mjs";

const USER = {
  ...{ id: 12, email: "sam@demo.example", firstName: "Sam", lastName: "Support", phoneNumber: "", agencyId: 4 },
  ...{ timeCreated: "2026-05-01T10:00:00.000Z", timeSignOut: "2026-05-01T10:00:00.000Z" },
};
const message = "complete your account first: change the password or set up a second factor, as your profile says";
const INCOMPLETE = refusal(403, message);
const ago = (seconds) => new Date(Date.now() - seconds * 1000).toISOString();

export class FakeTeam {
  user = { ...USER, role: 4 };
  users = [
    this.user,
    { ...USER, id: 13, firstName: "Olga", lastName: "Owner", role: 2 },
    { ...USER, id: 14, firstName: "Mariam", lastName: "Manager", role: 3 },
  ];
  /** Who is here. Undefined: the service cannot tell. */
  present = [
    { organizerId: 12, activeChats: 3, waiting: false },
    { organizerId: 13, activeChats: 0, waiting: false },
    { organizerId: 14, activeChats: 2, waiting: true },
  ];
  events = [EVENT];
  queue = { waiting: 3, oldestWaitSeconds: 42 };
  chats = [];
  messages = new Map();
  /** Closed chats. Their messages are with those of the open ones. */
  archive = [];
  issues = [];
  shares = { within15Seconds: 0.917, within20Seconds: 0.968 };
  /** The canary's latest run, if one runs. */
  canary = undefined;
  sockets = new Set();
  tileUrl = "";
  /** Answers to frames by their type, in the place of the usual ones: `(payload, send) => ...`. */
  replies = {};
  /** What the services say when something is to be made. */
  problem = undefined;
  /** The right code of the person's second factor, if there is one. */
  code = undefined;
  /** What comes over sockets is not heard, as over a connection that is half open. */
  deaf = false;
  /** A pattern for the paths of requests that are not answered, as by a service that hangs; see `hang`. */
  hanging = undefined;
  hung = [];
  /** The services refuse the token. */
  refusing = false;
  /** What was asked for by somebody whose account is not complete, and was refused. */
  refused = [];

  async attach(context) {
    await context.route(`${ORIGIN}/**`, (route) => this.answer(route));
    await playSockets(context, (socket) => this.serve(socket));
  }

  answer(route) {
    const request = route.request();
    const { pathname } = new URL(request.url());
    const { tileUrl } = this;
    if (this.hanging?.test(pathname)) return this.hung.push(route);
    if (pathname === "/config.json") return route.fulfill({ json: { websocketUrl: "", tileUrl, languages: [] } });
    const isSignIn = pathname.endsWith("/auth/sign-in");
    if (this.refusing && !isSignIn && /^\/(organizer|messenger)\//.test(pathname)) {
      return route.fulfill(refusal(403, "Forbidden resource"));
    }
    if (this.refuses(pathname)) return route.fulfill(INCOMPLETE);
    const answered = answerEvents(this, request);
    if (answered) return route.fulfill(answered);
    const [, service] = /^\/(organizer|messenger)\//.exec(pathname) ?? [];
    if (!service) return serveFile(route, pathname);
    const call = `${request.method()} ${pathname.slice(service.length + 1)}`;
    if (call === "POST /auth/sign-in") {
      const { password, code } = request.postDataJSON();
      const refuse = (message) => route.fulfill(refusal(400, message));
      if (password === "wrong") return refuse("invalid email or password");
      if (this.code && !code) return refuse("second factor required");
      if (this.code && code !== this.code) return refuse("invalid code");
      return route.fulfill({ status: 200, json: { user: this.user, token: "organizer:x.x.x" } });
    }
    if (call === "POST /auth/sign-out") return route.fulfill({ body: "" });
    if (call === "PATCH /profile/change-password") delete this.user.mustChangePassword;
    const own = { "GET /profile": this.user, "PATCH /profile/change-password": this.user };
    const answers = { ...own, "GET /agency/users": this.users, "GET /agency/events": this.events };
    if (this.problem && request.method() === "POST") return route.fulfill(refusal(400, this.problem));
    if (answers[call]) return route.fulfill({ json: answers[call] });
    return route.fulfill(answerLive(this, call, request) ?? refusal(404, call));
  }

  /** An account that is not complete opens the own profile alone. */
  refuses(pathname) {
    const isComplete = !this.user.mustChangePassword && !this.user.mustHaveSecondFactor;
    if (isComplete || !/^\/(organizer\/(?!auth|profile)|messenger)/.test(pathname)) return false;
    this.refused.push(pathname);
    return true;
  }

  /** What fits the pattern hangs from now on; what has hung and does not is answered. */
  async hang(pattern) {
    this.hanging = pattern;
    for (const route of this.hung.splice(0)) await this.answer(route);
  }

  serve(socket) {
    this.sockets.add(socket);
    socket.onClose(() => this.sockets.delete(socket));
    const send = (type, payload) => socket.send(`${JSON.stringify({ type, payload })}\n`);
    socket.onMessage((text) => {
      const { type, payload, Authorization } = JSON.parse(text);
      if (this.deaf) return;
      if (Authorization) {
        const { id, agencyId, role } = this.user;
        send("ready", {
          connectionId: randomUUID(),
          protocol: 2,
          principal: { realm: "organizer", id, agencyId, role },
        });
        send("queue_status", this.queue);
      } else if (this.replies[type]) {
        this.replies[type](payload, send);
      } else if (type === "get_chats") {
        send("chats", { chats: this.chats });
      } else if (type === "get_chat_history") {
        const messages = this.messages.get(payload.chatId) ?? [];
        const after = messages.filter(({ seq }) => seq > (payload.afterSeq ?? 0));
        send("chat_history", { chatId: payload.chatId, messages: after, lastSeq: messages.length });
      } else if (type === "start_chat" && payload.wait) {
        send("info", { code: "waiting", message: "waiting" });
      }
    });
  }

  /** An open chat, by a short name. `said` has what was written, oldest first: a text of the person's, or `[text]` of the team's. */
  chat(name, person, said, more = {}) {
    const id = idOf(name);
    const messages = said.map((text, index) => ({
      id: idOf(`${name}m${index}`),
      chatId: id,
      seq: index + 1,
      content: String(text),
      fromOrganizer: Array.isArray(text) ? 1 : 0,
      authorId: Array.isArray(text) ? this.user.id : 31,
      timeSent: ago((said.length - index) * 37),
      ...(String(text).startsWith("Mayday: ") && { system: true }),
    }));
    this.messages.set(id, messages);
    this.chats.unshift({
      id,
      agencyId: 4,
      eventId: 1,
      organizerId: this.user.id,
      participantId: 31,
      participant: { id: 31, email: "guest-1@guest.invalid", phoneNumber: "+48 600 100 200", guest: true, ...person },
      ended: 0,
      timeStart: ago(600 - this.chats.length),
      timeEnd: "0001-01-01T00:00:00Z",
      state: "active",
      lastSeq: messages.length,
      readSeq: messages.length,
      ownReadSeq: Math.max(0, messages.length - 1),
      ...more,
    });
  }

  /** The person of a chat writes. */
  say(name, content, more = {}) {
    const chatId = idOf(name);
    const messages = this.messages.get(chatId);
    const seq = messages.length + 1;
    const from = { fromOrganizer: 0, authorId: 31, timeSent: new Date().toISOString() };
    const message = { id: idOf(`${name}m${seq}`), chatId, seq, content, ...from, ...more };
    messages.push(message);
    this.tell("user_message", message);
  }

  /** A chat that is over. */
  past(name, person, said, more = {}) {
    this.chat(name, person, said, { ended: 1, timeEnd: ago(0), ...more });
    this.archive.push(asNew(this.chats.shift()));
  }

  tell(type, payload) {
    for (const socket of this.sockets) socket.send(`${JSON.stringify({ type, payload })}\n`);
  }

  /** The service goes away. */
  async leave() {
    for (const socket of this.sockets) await socket.close({ code: 1012 });
    this.serve = (socket) => socket.close({ code: 1013 });
  }
}
