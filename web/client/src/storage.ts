/** Where the library keeps what must survive a reload. Values are plain JSON data. No method rejects. */
export interface Storage {
  /** False if what is kept is lost when the program ends, or when the page is closed. It may turn false later. */
  readonly persistent: boolean;
  get<T>(key: string): Promise<T | undefined>;
  set(key: string, value: unknown): Promise<void>;
  delete(key: string): Promise<void>;
  /**
   * Replaces a value by what `change` makes of it, as one step that no other tab can come between.
   * `undefined` deletes the value. Returns the new value.
   */
  update<T>(key: string, change: (value: T | undefined) => T | undefined): Promise<T | undefined>;
  /** All values whose key begins with `prefix`, in the order of their keys. */
  list<T>(prefix: string): Promise<{ key: string; value: T }[]>;
}
