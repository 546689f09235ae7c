/** A random UUID. `crypto.randomUUID` is missing where a page was not loaded by HTTPS, and `crypto` in Node 18. */
export function uuid(): string {
  return "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx".replace(/[xy]/g, (place) =>
    (place === "x" ? randomByte() & 15 : (randomByte() & 3) | 8).toString(16),
  );
}

function randomByte(): number {
  return typeof crypto === "undefined" ? Math.random() * 256 : (crypto.getRandomValues(new Uint8Array(1))[0] ?? 0);
}
