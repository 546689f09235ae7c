import { type CallOptions, Http, type HttpOptions } from "./http.js";
import type { Chat, Message } from "./types.js";

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

  /** Closed chats of an organizer's agency, newest first. */
  agencyChats(options?: CallOptions) {
    return this.#http.get<Chat[]>("/agency/chats", options);
  }

  agencyMessages(chatId: string, range?: MessageRange, options?: CallOptions) {
    return this.#http.get<Message[]>(`/agency/chats/${chatId}/messages`, { ...options, query: range });
  }

  /** A participant's own closed chats, newest first. */
  participantChats(options?: CallOptions) {
    return this.#http.get<Chat[]>("/participant/chats", options);
  }

  participantMessages(chatId: string, range?: MessageRange, options?: CallOptions) {
    return this.#http.get<Message[]>(`/participant/chats/${chatId}/messages`, { ...options, query: range });
  }
}
