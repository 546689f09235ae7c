/** Listeners that are all told the same things in the same order, also when one of them causes the next. */
export class Listeners<Arguments extends unknown[]> {
  readonly #listeners = new Set<(...values: Arguments) => void>();
  readonly #queue: Arguments[] = [];
  #telling = false;

  add(listener: (...values: Arguments) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(...values: Arguments): void {
    this.#queue.push(values);
    if (this.#telling) return;
    this.#telling = true;
    try {
      for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
        for (const listener of [...this.#listeners]) listener(...next);
      }
    } finally {
      this.#telling = false;
    }
  }
}
