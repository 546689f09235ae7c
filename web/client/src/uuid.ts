/** A random UUID. `crypto.randomUUID` is missing where a page was not loaded by HTTPS, and in Node 18. */
export function uuid(): string {
  const bytes =
    typeof crypto === "undefined"
      ? Uint8Array.from({ length: 16 }, () => Math.random() * 256)
      : crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
