/** Without letters and digits that look alike: it may be read aloud. */
const ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789";
const GROUPS = 7;
const GROUP_LENGTH = 4;

/** A password of 138 random bits in groups of four: "k7mq-x3vd-…". */
export function strongPassword(): string {
  return Array.from({ length: GROUPS }, () =>
    Array.from({ length: GROUP_LENGTH }, () => ALPHABET[randomBelow(ALPHABET.length)]).join(""),
  ).join("-");
}

/** Every number is as likely as any other: a byte that would favour the small ones is thrown away. */
function randomBelow(limit: number): number {
  const fair = 256 - (256 % limit);
  const byte = new Uint8Array(1);
  do crypto.getRandomValues(byte);
  while ((byte[0] as number) >= fair);
  return (byte[0] as number) % limit;
}
