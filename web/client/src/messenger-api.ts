import type { ChatSearch as ChatFilter } from "./generated/messenger.js";
import { type CallOptions, Http, type HttpOptions } from "./http.js";
import { type Page, type PageQuery, page } from "./pages.js";
import type { ArchivedChat, CanaryRun, Chat, Colleague, Message, Statistics, Timestamp } from "./types.js";

export type { ChatSearch as ChatFilter } from "./generated/messenger.js";

/** Part of a chat's messages. Without either, all of them. */
export interface MessageRange {
  afterSeq?: number;
  limit?: number;
}

/** The messenger's archives: closed chats. Open ones are a `Session`'s. */
export class MessengerApi {
  readonly #http: Http;

  constructor(options: HttpOptions) {
    this.#http = new Http(options);
  }

  /**
   * A page of closed chats of an organizer's agency, newest first, with what protocol 2 tells of a chat. The filter is
   * in the body, since it may have words and names of people.
   */
  chats(query: ChatFilter & PageQuery = {}, options?: CallOptions): Promise<Page<ArchivedChat>> {
    const { limit = 100, cursor, ...filter } = query;
    const call = { ...options, query: { limit, cursor }, body: filter };
    return page<ArchivedChat>(this.#http, "/agency/chats/search", call);
  }

  /** A closed chat of an organizer's agency, as in a page. */
  chat(chatId: string, options?: CallOptions) {
    return this.#http.get<ArchivedChat>(`/agency/chats/${chatId}`, options);
  }

  agencyMessages(chatId: string, range?: MessageRange, options?: CallOptions) {
    return this.#http.get<Message[]>(`/agency/chats/${chatId}/messages`, { ...options, query: range });
  }

  /** The organizers of an organizer's agency who are present, and so can take a chat over; the caller too. */
  organizers(options?: CallOptions) {
    return this.#http.get<Colleague[]>("/agency/organizers", options);
  }

  /** Figures of an organizer's agency, or of one of its events. Without a period, of the last day. */
  statistics(query?: { eventId?: number; from?: Timestamp; to?: Timestamp }, options?: CallOptions) {
    return this.#http.get<Statistics>("/statistics", { ...options, query });
  }

  /** Whether the canary has walked the whole path of a request for help; `undefined` where none runs. */
  canary(options?: CallOptions) {
    return this.#http.get<CanaryRun | undefined>("/canary", options);
  }

  /** A participant's own closed chats, newest first. */
  participantChats(options?: CallOptions) {
    return this.#http.get<Chat[]>("/participant/chats", options);
  }

  participantMessages(chatId: string, range?: MessageRange, options?: CallOptions) {
    return this.#http.get<Message[]>(`/participant/chats/${chatId}/messages`, { ...options, query: range });
  }
}
