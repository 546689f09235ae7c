// The archive of closed chats, as the messenger has it.
import { idOf, pageOf, refusal } from "./fake-pages.mjs";

const PATTERN = /\/messenger\/agency\/chats\/(?:search|(\w+)(\/messages)?)(?:\?|$)/;

export class FakeArchive {
  chats = [];
  messages = new Map();
  /** What was asked for: the address's query, and the body of a search. */
  asked = [];
  failing = false;
  #team;

  constructor(team) {
    this.#team = team;
  }

  /** Answers what a page asks about closed chats. */
  static async attach(page, team) {
    const archive = new FakeArchive(team);
    await page.route(PATTERN, (route) => route.fulfill(archive.answer(route.request())));
    return archive;
  }

  /**
   * A chat that began so many minutes ago and had a message every 37 seconds; older ones are added first. `said` has
   * what was written, oldest first: a text of the person's, or `[text]` of the team's.
   */
  add(minutes, person, said, more = {}) {
    const number = this.chats.length + 1;
    const id = number.toString(16).padStart(24, "0");
    const begin = Date.now() - minutes * 60_000;
    const at = (index) => new Date(begin + index * 37_000).toISOString();
    const participant = { id: 31, email: "guest-1@guest.invalid", phoneNumber: "", guest: true, ...person };
    const messages = said.map((text, index) => ({
      id: idOf(`${number}m${index}`),
      chatId: id,
      seq: index + 1,
      content: String(text),
      fromOrganizer: Array.isArray(text) ? 1 : 0,
      authorId: Array.isArray(text) ? this.#team.user.id : participant.id,
      timeSent: at(index),
      ...(String(text).startsWith("Mayday: ") && { system: true, fromOrganizer: 1 }),
    }));
    const { id: organizerId, agencyId } = this.#team.user;
    const chat = {
      ...{ id, agencyId, eventId: this.#team.events[0]?.id, organizerId, participantId: participant.id, ended: 1 },
      ...{ timeStart: at(0), timeEnd: at(said.length), participant, organizerName: "Sam Support" },
      lastSeq: messages.length,
      ...more,
    };
    this.chats.unshift(chat);
    this.messages.set(id, messages);
    return chat;
  }

  answer(request) {
    const { searchParams } = new URL(request.url());
    const [, id, ofMessages] = PATTERN.exec(request.url());
    if (this.failing) return refusal(400, "could not get messages");
    const filter = id ? {} : request.postDataJSON();
    this.asked.push({ query: String(searchParams), filter });
    if (!id) return pageOf(this.#find(filter), searchParams);
    const messages = this.messages.get(id);
    if (!messages) return refusal(400, "chat not found");
    if (!ofMessages) return { json: this.chats.find((chat) => chat.id === id) };
    const after = Number(searchParams.get("afterSeq") ?? 0);
    const limit = Number(searchParams.get("limit") ?? messages.length);
    return { json: messages.filter(({ seq }) => seq > after).slice(0, limit) };
  }

  #find(filter) {
    const is = (name, value) => filter[name] === undefined || filter[name] === value;
    const q = filter.q?.toLowerCase() ?? "";
    const says = (chat) => this.messages.get(chat.id).some(({ content }) => content.toLowerCase().includes(q));
    return this.chats.filter(
      (chat) =>
        is("eventId", chat.eventId) &&
        is("organizerId", chat.organizerId) &&
        is("participantId", chat.participantId) &&
        chat.timeStart >= (filter.from ?? "") &&
        chat.timeStart < (filter.to ?? "9") &&
        says(chat),
    );
  }
}
