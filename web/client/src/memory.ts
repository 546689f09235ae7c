import type { Storage } from "./storage.js";

/** Storage in memory: for tests, and for programs that need not survive a restart. */
export class MemoryStorage implements Storage {
  readonly persistent: boolean = false;
  readonly #values = new Map<string, string>();

  async get<T>(key: string): Promise<T | undefined> {
    return this.#read<T>(key);
  }

  async set(key: string, value: unknown): Promise<void> {
    this.#values.set(key, JSON.stringify(value));
  }

  async delete(key: string): Promise<void> {
    this.#values.delete(key);
  }

  async update<T>(key: string, change: (value: T | undefined) => T | undefined): Promise<T | undefined> {
    const value = change(this.#read<T>(key));
    if (value === undefined) this.#values.delete(key);
    else this.#values.set(key, JSON.stringify(value));
    return value;
  }

  async list<T>(prefix: string): Promise<{ key: string; value: T }[]> {
    const keys = [...this.#values.keys()].filter((key) => key.startsWith(prefix)).sort();
    return keys.map((key) => ({ key, value: this.#read<T>(key) as T }));
  }

  /** A copy each time, as from a database: nobody changes a stored value by changing his own. */
  #read<T>(key: string): T | undefined {
    const text = this.#values.get(key);
    return text === undefined ? undefined : (JSON.parse(text) as T);
  }
}
