// Incidents and comments, as the organizer service has them.
import { pageOf, refusal } from "./fake-pages.mjs";

const PATTERN = /\/organizer\/agency\/(issues|comments)(?:\/(\d+))?(?:\?|$)/;
const CLOSED = ["resolved", "cancelled"];

export class FakeIncidents {
  issues = [];
  comments = [];
  /** The next change is refused with these messages. */
  refusal;
  #team;

  constructor(team) {
    this.#team = team;
  }

  /** Answers what a page asks about incidents. */
  static async attach(page, team) {
    const incidents = new FakeIncidents(team);
    await page.route(PATTERN, (route) => route.fulfill(incidents.answer(route.request())));
    return incidents;
  }

  /** An incident of so many minutes ago. */
  add(name, minutes, more = {}) {
    const { id: authorId, agencyId } = this.#team.user;
    const timeCreated = new Date(Date.now() - minutes * 60_000).toISOString();
    const issue = {
      id: this.issues.length + 1,
      ...{ name, description: "By the north gate, block C.", status: "to_do", priority: "medium", timeCreated },
      ...{ timeClosed: null, authorId, eventId: this.#team.events[0]?.id, agencyId },
      ...more,
    };
    this.issues.push(issue);
    return issue;
  }

  comment(issueId, content, minutes, more = {}) {
    const { id: authorId, agencyId } = this.#team.user;
    const timeCreated = new Date(Date.now() - minutes * 60_000).toISOString();
    this.comments.push({ id: this.comments.length + 1, content, timeCreated, authorId, issueId, agencyId, ...more });
  }

  answer(request) {
    const { searchParams } = new URL(request.url());
    const [, kind, id] = PATTERN.exec(request.url());
    const rows = this[kind];
    const row = rows.find((row) => row.id === Number(id));
    if (id && !row) return refusal(404, `${kind} ${id} not found`);
    if (request.method() === "GET") return row ? { json: row } : this.#list(kind, searchParams);
    if (this.refusal) {
      const message = this.refusal;
      this.refusal = undefined;
      return refusal(400, message);
    }
    if (request.method() === "DELETE") this[kind] = rows.filter((other) => other !== row);
    if (request.method() === "PATCH") this.#edit(row, request.postDataJSON());
    if (request.method() !== "POST") return { json: row };
    const { name, content, ...rest } = request.postDataJSON();
    if (kind === "issues") this.add(name, 0, rest);
    else this.comment(rest.issueId, content, 0);
    return { status: 201, json: rows.at(-1) };
  }

  #list(kind, query) {
    const wanted = (name, value) => !query.has(name) || Number(query.get(name)) === value;
    if (kind === "issues") {
      return pageOf(
        this.issues.filter(({ eventId }) => wanted("eventId", eventId)),
        query,
      );
    }
    return pageOf(this.comments.filter(({ issueId }) => wanted("issueId", issueId)).reverse(), query);
  }

  #edit(row, edits) {
    Object.assign(row, edits);
    if (CLOSED.includes(row.status)) row.timeClosed = new Date().toISOString();
  }
}
