import type { Storage } from "./storage.js";

const STORE = "values";
/** Some browsers never answer when they will not open a database. */
const OPEN_MS = 3000;

/**
 * Storage in the browser's IndexedDB. Where the browser forbids it (private mode) or it fails later (full), it goes on
 * in memory and `persistent` is false.
 */
export async function openIndexedDb(name = "mayday", factory?: IDBFactory): Promise<Storage> {
  return new IndexedDbStorage(await open(name, factory).catch(() => undefined));
}

class IndexedDbStorage implements Storage {
  readonly #database: IDBDatabase | undefined;
  /** What could not be written, and `undefined` for what could not be deleted. It counts before the database. */
  readonly #unwritten = new Map<string, unknown>();
  #persistent: boolean;

  constructor(database: IDBDatabase | undefined) {
    this.#database = database;
    this.#persistent = database !== undefined;
    // Another tab wants to delete the database.
    database?.addEventListener("versionchange", () => database.close());
  }

  get persistent(): boolean {
    return this.#persistent;
  }

  async get<T>(key: string): Promise<T | undefined> {
    return (this.#unwritten.has(key) ? this.#unwritten.get(key) : await this.#read(key)) as T | undefined;
  }

  async set(key: string, value: unknown): Promise<void> {
    await this.update(key, () => value);
  }

  async delete(key: string): Promise<void> {
    await this.update(key, () => undefined);
  }

  async update<T>(key: string, change: (value: T | undefined) => T | undefined): Promise<T | undefined> {
    if (!this.#unwritten.has(key)) {
      try {
        return await this.#transact("readwrite", (values, done) => {
          const read = values.get(key);
          read.onsuccess = () => {
            const value = change(read.result as T | undefined);
            try {
              if (value === undefined) values.delete(key);
              else values.put(value, key);
              done(value);
            } catch {
              // Full, or the value is none that can be stored: the caller learns it as of any other failure.
              values.transaction.abort();
            }
          };
        });
      } catch {
        this.#persistent = false;
      }
    }
    const value = change(await this.get<T>(key));
    this.#unwritten.set(key, value);
    return value;
  }

  async list<T>(prefix: string): Promise<{ key: string; value: T }[]> {
    const found = new Map<string, unknown>();
    try {
      await this.#transact<void>("readonly", (values, done) => {
        const cursor = values.openCursor();
        cursor.onsuccess = () => {
          const at = cursor.result;
          if (!at) return done();
          if (String(at.key).startsWith(prefix)) found.set(String(at.key), at.value);
          at.continue();
        };
      });
    } catch {
      this.#persistent = false;
    }
    for (const [key, value] of this.#unwritten) if (key.startsWith(prefix)) found.set(key, value);
    return [...found]
      .filter(([, value]) => value !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => ({ key, value: value as T }));
  }

  #read(key: string): Promise<unknown> {
    return this.#transact<unknown>("readonly", (values, done) => {
      const read = values.get(key);
      read.onsuccess = () => done(read.result);
    }).catch(() => {
      this.#persistent = false;
    });
  }

  /** Resolves with what `work` is done with, once the transaction is written. */
  #transact<T>(mode: IDBTransactionMode, work: (values: IDBObjectStore, done: (value: T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      const transaction = this.#database?.transaction(STORE, mode);
      if (!transaction) return reject();
      let result: T;
      transaction.oncomplete = () => resolve(result);
      transaction.onabort = reject;
      work(transaction.objectStore(STORE), (value) => {
        result = value;
      });
    });
  }
}

function open(name: string, factory?: IDBFactory): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    // Changes nothing once the browser has answered.
    setTimeout(reject, OPEN_MS);
    // Reading `indexedDB` alone may throw.
    const request = (factory ?? indexedDB).open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = reject;
  });
}
