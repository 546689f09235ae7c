// What the organizer service says of people, agencies and the record: for the screens of a team's office.
import { createHash } from "node:crypto";

const ago = (days) => new Date(Date.now() - days * 86_400_000).toISOString();
const made = (days) => ({ timeCreated: ago(days), timeSignOut: ago(days) });

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
    { id: 5, name: "Stadium Care", address: "aleja Poniatowskiego 1, Warszawa", website: "stadium.example" },
    { id: 6, name: "Open Air Zürich", address: "Seestrasse 20, Zürich", website: null, approved: true },
  ];
  administrators = [
    { id: 1, email: "root@mayday.example", firstName: "Super", lastName: "Admin", role: 0 },
    { id: 2, email: "ada@mayday.example", firstName: "Ada", lastName: "Admin", role: 1 },
  ].map((user) => ({ phoneNumber: "+48 123 456 789", agencyId: null, ...made(400), ...user }));
  /** Rows of the record, oldest first. */
  rows = [];
  verdict = undefined;

  constructor(team) {
    this.team = team;
    for (const [index, user] of team.users.entries()) {
      Object.assign(user, made(30 * (index + 1)), { phoneNumber: `+48 600 100 20${index}` });
      if (user.id !== team.user.id) user.email = `${user.firstName.toLowerCase()}@demo.example`;
    }
  }

  /** A row of the record. `value` is undefined for what was deleted. */
  change(userId, entityClass, entityId, type, value, days = 0) {
    const id = this.rows.length + 1;
    const valueAfter = value ? JSON.stringify({ id: entityId, ...value }) : null;
    this.rows.push({ id, entityId, entityClass, type, changedAt: ago(days), valueAfter, userId, agencyId: 4 });
  }

  /** The answer to a call, if it is about people, agencies or the record. */
  answer(call, request) {
    const { team } = this;
    const body = request.postData() ? request.postDataJSON() : {};
    const [method, pathname] = call.split(" ");
    const [, list, id] = /^(.+?)(?:\/(\d+))?(?:\/verify)?$/.exec(pathname);
    const lists = {
      "/agency/users": team.users,
      "/admin/users": this.administrators,
      "/admin/agencies": this.agencies,
    };
    const row = lists[list]?.find((row) => row.id === Number(id));
    const taken = { status: 400, json: { statusCode: 400, message: "Email is already taken", error: "Bad Request" } };
    switch (method) {
      case "POST":
        if (pathname === "/agency") return { status: 201, json: { id: 9, ...body.agency, approved: false } };
        if (!lists[list]) return undefined;
        if (lists[list].some(({ email }) => email === body.email)) return taken;
        return { status: 201, json: { ...body, id: 99, agencyId: team.user.agencyId, ...made(0) } };
      case "PATCH":
        if (pathname === "/profile/set-agency") return { json: Object.assign(team.user, { agencyId: body.agencyId }) };
        if (pathname === "/agency") return { json: Object.assign(this.agency, body) };
        if (pathname === "/agency/settings") return { json: Object.assign(this.settings, body) };
        if (pathname === "/profile") return { json: Object.assign(team.user, body) };
        return row && { json: Object.assign(row, body) };
      case "GET":
        if (pathname === "/agency") return { json: this.agency };
        if (pathname === "/agency/settings") return { json: this.settings };
        if (/\/changelogs$/.test(pathname)) return { json: this.rows };
        if (/\/changelogs\/verify$/.test(pathname)) return { json: this.verdict ?? this.holds() };
        return lists[list] && (id ? row && { json: row } : { json: lists[list] });
    }
  }

  holds() {
    const head = createHash("sha256").update(JSON.stringify(this.rows)).digest("hex");
    return { holds: true, rows: this.rows.length, head };
  }
}
