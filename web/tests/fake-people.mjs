// What the organizer service says of people, agencies and the record: for the screens of a team's office.
import { createHash } from "node:crypto";
import { watchErrors } from "./browser.mjs";
import { pageOf, refusal } from "./fake-pages.mjs";
import { FakeTeam } from "./fake-team.mjs";

const PATTERN =
  /\/organizer\/(agency|admin|profile)(\/(settings|users|agencies|changelogs|set-agency|second-factor)\b|\?|$)/;

const ago = (days) => new Date(Date.now() - days * 86_400_000).toISOString();
const made = (days) => ({ timeCreated: ago(days), timeSignOut: ago(days) });

const SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const CODES = Array.from({ length: 10 }, (_, n) => `k7mq-x3vd-abcd-efgh-jkmn-pqrs-tuvw-${"abcdefghij"[n]}234`);

/** A new page at a team's office. */
export async function openOffice(browser) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 1000 }, locale: "en-GB" });
  const team = new FakeTeam();
  await team.attach(context);
  const page = await context.newPage();
  const office = await FakeOffice.attach(page, team);
  return { context, page, team, office, errors: watchErrors(page) };
}

export class FakeOffice {
  agency = {
    id: 4,
    name: "Festival Help Kraków",
    address: "Rynek Główny 1, 31-042 Kraków",
    website: "https://festival-help.example",
    approved: true,
  };
  settings = { maxOpenChats: 5, helpPhoneNumber: "+48 600 700 800" };
  agencies = [
    this.agency,
    {
      id: 5,
      name: "Stadium Care",
      address: "aleja Poniatowskiego 1, Warszawa",
      website: "stadium.example",
      approved: false,
    },
    { id: 6, name: "Open Air Zürich", address: "Seestrasse 20, Zürich", website: null, approved: true },
  ];
  administrators = [
    { id: 1, email: "root@mayday.example", firstName: "Super", lastName: "Admin", role: 0 },
    { id: 2, email: "ada@mayday.example", firstName: "Ada", lastName: "Admin", role: 1 },
  ].map((user) => ({ phoneNumber: "+48 123 456 789", agencyId: null, ...made(400), ...user }));
  /** Rows of the record, oldest first. */
  rows = [];
  verdict = undefined;
  /** The ids of those who have a second factor. */
  withSecondFactor = new Set();

  constructor(team) {
    this.team = team;
    for (const [index, user] of team.users.entries()) {
      Object.assign(user, made(30 * (index + 1)), { phoneNumber: `+48 600 100 20${index}` });
      if (user.id !== team.user.id) user.email = `${user.firstName.toLowerCase()}@demo.example`;
    }
  }

  /** Answers what a page asks about people, agencies and the record. */
  static async attach(page, team) {
    const office = new FakeOffice(team);
    await page.route(PATTERN, async (route) => {
      const request = route.request();
      const isIncomplete = team.user.mustChangePassword || team.user.mustHaveSecondFactor;
      const isOwn = new URL(request.url()).pathname.startsWith("/organizer/profile");
      const answer = isIncomplete && !isOwn ? undefined : office.answer(request);
      await (answer ? route.fulfill(answer) : route.fallback());
    });
    return office;
  }

  /** A row of the record. `value` is undefined for what was deleted. */
  change(userId, entityClass, entityId, type, value, days = 0) {
    const id = this.rows.length + 1;
    const valueAfter = value ? JSON.stringify({ id: entityId, ...value }) : null;
    this.rows.push({ id, entityId, entityClass, type, changedAt: ago(days), valueAfter, userId, agencyId: 4 });
  }

  answer(request) {
    const { team } = this;
    const method = request.method();
    const { pathname, searchParams } = new URL(request.url());
    const body = request.postData() ? request.postDataJSON() : {};
    if (pathname.includes("/second-factor")) return this.answerSecondFactor(method, pathname, body);
    const [, place, id] = /^\/organizer(.+?)(?:\/(\d+))?(?:\/verify)?$/.exec(pathname);
    const lists = {
      "/agency/users": team.users,
      "/admin/users": this.administrators,
      "/admin/agencies": this.agencies,
    };
    const list = lists[place];
    const row = list?.find((row) => row.id === Number(id));
    const own = { "/profile/set-agency": team.user, "/profile": team.user };
    const single = { ...own, "/agency": this.agency, "/agency/settings": this.settings }[place];
    if (method === "GET") {
      if (pathname.endsWith("/changelogs")) return pageOf(this.rows, searchParams);
      if (pathname.endsWith("/changelogs/verify")) return { json: this.verdict ?? this.holds() };
      if (list && !id) return pageOf(list, searchParams);
      return (row ?? single) && { json: row ?? single };
    }
    if (method === "PATCH") return { json: Object.assign(row ?? single, body) };
    if (place === "/agency") return { status: 201, json: { id: 9, ...body.agency, approved: false } };
    if (list?.some(({ email }) => email === body.email)) {
      return refusal(400, "Email is already taken");
    }
    const { password, confirmPassword, ...user } = body;
    return list && { status: 201, json: { ...user, id: 99, agencyId: team.user.agencyId, ...made(0) } };
  }

  /** The right code is 287082. */
  answerSecondFactor(method, pathname, { password, code }) {
    const { team, withSecondFactor } = this;
    const [, other] = /\/users\/(\d+)/.exec(pathname) ?? [];
    const userId = Number(other ?? team.user.id);
    const state = () => {
      const isOn = withSecondFactor.has(userId);
      return { json: { userId, isOn, recoveryCodes: isOn ? CODES.length : 0 } };
    };
    const refuse = (message) => refusal(400, message);
    if (method === "GET") return state();
    if (other) {
      withSecondFactor.delete(userId);
      return { json: [...team.users, ...this.administrators].find(({ id }) => id === userId) };
    }
    if (password === "wrong") return refuse("invalid password");
    if (code !== undefined && code !== "287082") return refuse("invalid code");
    if (pathname.endsWith("/confirm")) {
      withSecondFactor.add(userId);
      delete team.user.mustHaveSecondFactor;
      return { json: { recoveryCodes: CODES } };
    }
    if (method === "DELETE") {
      withSecondFactor.delete(userId);
      return state();
    }
    return { status: 201, json: { secret: SECRET, uri: `otpauth://totp/Mayday:sam?secret=${SECRET}&issuer=Mayday` } };
  }

  holds() {
    const head = createHash("sha256").update(JSON.stringify(this.rows)).digest("hex");
    return { holds: true, rows: this.rows.length, head };
  }
}
