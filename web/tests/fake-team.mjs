// The services as a support team sees them, played inside the browser's network layer: for the console's screens.
import { EVENT, ORIGIN, serveFile } from "./fake.mjs";
import { answerEvents } from "./fake-events.mjs";
import { answerLive } from "./fake-live.mjs";

const USER = { id: 12, email: "sam@demo.example", firstName: "Sam", lastName: "Support", phoneNumber: "", agencyId: 4 };
const message = "complete your account first: change the password or set up a second factor, as your profile says";
const INCOMPLETE = { status: 403, json: { statusCode: 403, message, error: "Forbidden" } };
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
    await context.routeWebSocket(/mayday\.test\/connect/, (socket) => this.serve(socket));
  }

  answer(route) {
    const request = route.request();
    const { pathname } = new URL(request.url());
    const { tileUrl } = this;
    if (this.hanging?.test(pathname)) return this.hung.push(route);
    if (pathname === "/config.json") return route.fulfill({ json: { websocketUrl: "", tileUrl, languages: [] } });
    const isSignIn = pathname.endsWith("/auth/sign-in");
    if (this.refusing && !isSignIn && /^\/(organizer|messenger)\//.test(pathname)) {
      return route.fulfill({ status: 403, json: { statusCode: 403, message: "Forbidden resource" } });
    }
    if (this.refuses(pathname)) return route.fulfill(INCOMPLETE);
    const answered = answerEvents(this, request);
    if (answered) return route.fulfill(answered);
    const [, service] = /^\/(organizer|messenger)\//.exec(pathname) ?? [];
    if (!service) return serveFile(route, pathname);
    const call = `${request.method()} ${pathname.slice(service.length + 1)}`;
    if (call === "POST /auth/sign-in") {
      const { password, code } = request.postDataJSON();
      const refuse = (message) => route.fulfill({ status: 400, json: { statusCode: 400, message } });
      if (password === "wrong") return refuse("invalid email or password");
      if (this.code && !code) return refuse("second factor required");
      if (this.code && code !== this.code) return refuse("invalid code");
      return route.fulfill({ status: 200, json: { user: this.user, token: "organizer:x" } });
    }
    if (call === "PATCH /profile/change-password") delete this.user.mustChangePassword;
    const own = { "GET /profile": this.user, "PATCH /profile/change-password": this.user };
    const answers = { ...own, "GET /agency/users": this.users, "GET /agency/events": this.events };
    if (this.problem && request.method() === "POST") {
      return route.fulfill({ status: 400, json: { statusCode: 400, message: this.problem } });
    }
    const json = answers[call] ?? answerLive(this, call, request);
    if (json) return route.fulfill({ json });
    return route.fulfill({ status: 404, json: { statusCode: 404, message: call } });
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
        send("ready", { connectionId: "c", protocol: 2, principal: { realm: "organizer", id, agencyId, role } });
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

  /** An open chat. `said` has what was written, oldest first: a text of the person's, or `[text]` of the team's. */
  chat(id, person, said, more = {}) {
    const messages = said.map((text, index) => ({
      id: `${id}m${index}`,
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
  say(chatId, content, more = {}) {
    const messages = this.messages.get(chatId);
    const seq = messages.length + 1;
    const from = { fromOrganizer: 0, authorId: 31, timeSent: new Date().toISOString() };
    const message = { id: `${chatId}m${seq}`, chatId, seq, content, ...from, ...more };
    messages.push(message);
    this.tell("user_message", message);
  }

  /** A chat that is over. */
  past(id, person, said, more = {}) {
    this.chat(id, person, said, { ended: 1, state: "ended", ...more });
    this.archive.push(this.chats.shift());
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
