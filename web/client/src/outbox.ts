import type { MessageSavedFrame } from "./generated/socket.js";
import type { Failure } from "./session-types.js";
import type { Storage } from "./storage.js";
import type { Position, Timestamp } from "./types.js";

/** What the service has said of a message that it has stored. */
type Saved = Pick<MessageSavedFrame["payload"], "id" | "seq" | "timeSent">;

/** A message on its way: from the moment it was written until it has its place in the chat. */
export interface Outgoing extends Partial<Position> {
  readonly clientId: string;
  readonly chatId: string;
  readonly content: string;
  readonly writtenAt: Timestamp;
  readonly failure?: Failure;
  /** Written to the socket, not answered yet. Not stored. */
  readonly sending?: boolean;
  /** Stored by the service; what comes before it in the chat is still missing here. Not stored on the device. */
  readonly saved?: Saved;
}

/** One user's unsent messages of this device, in the order in which they were written. */
export class Outbox {
  readonly #storage: Storage;
  readonly #prefix: string;
  /** By key in the storage, which sorts by time. */
  #entries = new Map<string, Outgoing>();
  #count = 0;

  constructor(storage: Storage, owner: string) {
    this.#storage = storage;
    this.#prefix = `outbox/${owner}/`;
  }

  /** Adds what is stored, by this page before it was loaded again or by another tab. */
  async load(): Promise<void> {
    for (const { key, value } of await this.#storage.list<Outgoing>(this.#prefix)) {
      if (!this.#entries.has(key)) this.#entries.set(key, value);
    }
    this.#entries = new Map([...this.#entries].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** Stores a message before anybody sees it. */
  async add(message: Outgoing): Promise<void> {
    this.#count = (this.#count + 1) % 10_000;
    const key = `${this.#prefix}${message.writtenAt}-${String(this.#count).padStart(4, "0")}-${message.clientId}`;
    await this.#storage.set(key, message);
    this.#entries.set(key, message);
  }

  of(chatId: string): Outgoing[] {
    return [...this.#entries.values()].filter((message) => message.chatId === chatId);
  }

  sending(): Outgoing[] {
    return [...this.#entries.values()].filter(({ sending }) => sending);
  }

  chatIds(): Set<string> {
    return new Set([...this.#entries.values()].map(({ chatId }) => chatId));
  }

  get(clientId: string | undefined): Outgoing | undefined {
    return this.#find(clientId)?.[1];
  }

  /** Changes a message; what the device has to remember is stored. */
  async change(clientId: string, change: (message: Outgoing) => Outgoing): Promise<void> {
    const [key, before] = this.#find(clientId) ?? [];
    if (!key || !before) return;
    const message = change(before);
    this.#entries.set(key, message);
    if (message.failure !== before.failure) {
      const { sending: _, saved: __, ...stored } = message;
      await this.#storage.set(key, stored);
    }
  }

  /** The service has the message: nothing is left to remember, only to show. */
  saved(clientId: string, saved: Saved): void {
    const [key, message] = this.#find(clientId) ?? [];
    if (!key || !message) return;
    const { sending: _, failure: __, ...rest } = message;
    this.#entries.set(key, { ...rest, saved });
    void this.#storage.delete(key);
  }

  remove(clientId: string | undefined): Outgoing | undefined {
    const [key, message] = this.#find(clientId) ?? [];
    if (!key) return undefined;
    this.#entries.delete(key);
    void this.#storage.delete(key);
    return message;
  }

  /** The connection is gone: what was not answered is sent again. */
  disconnected(): void {
    for (const [key, { sending, ...message }] of this.#entries) if (sending) this.#entries.set(key, message);
  }

  #find(clientId: string | undefined): [string, Outgoing] | undefined {
    for (const entry of this.#entries) if (entry[1].clientId === clientId) return entry;
    return undefined;
  }
}
