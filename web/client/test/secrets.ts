// What no log may hold, by the same rules as tests/secrecy.rs: the tokens, passwords, names, texts and positions that
// tests have sent, and the secrets that they were answered.
import members from "../../../tests/secrecy.json";

/**
 * Members of bodies and frames, and parameters of query strings, whose values are secrets or personal data: of what is
 * sent, and of answers. Of answers: only what the service generates. Everything else in them was sent by a test and is
 * noted there. Of positions: numbers, in either.
 */
const { sent: SENT, answered: ANSWERED, positions: POSITIONS } = members;
/** Shorter values occur by chance: `Anna` may be a person, an event or a part of another word. In bytes. */
const SHORTEST = 9;
/** Values of fewer different characters occur by chance, such as nine zeros. */
const FEWEST_CHARACTERS = 5;
/** Numbers with fewer digits occur by chance. Six digits of degrees are a place within a hundred metres or so. */
const FEWEST_DIGITS = 6;
/** Of a longer line the beginning is looked for, which is also in a log that cuts it. In characters. */
const LONGEST = 80;
/** Tests also send what is only nearly credentials. */
const SHORTEST_CREDENTIALS = 20;

/** What services generate has a form: tokens, where their claims begin, e-mails of guests and the canary, passwords. */
const GENERATED = /\.eyJ|@(guest|mayday)\.invalid|(?<![0-9a-f])[0-9a-f]{48}(?![0-9a-f])/;

const known = new Set<string>();

/** Notes what is secret in a body or a frame that was sent. */
export function noteSent(text: string): void {
  noteMembers(text, SENT);
}

/** Notes what is secret in the query string of an address, as it is and as it was sent. */
export function noteQuery(url: string): void {
  for (const pair of new URL(url).search.slice(1).split("&")) {
    for (const [name, value] of new URLSearchParams(pair)) {
      if (SENT.includes(name)) [pair.slice(pair.indexOf("=") + 1), value].forEach(note);
    }
  }
}

/** Notes what is secret in the body of an answer. */
export function noteAnswered(text: string): void {
  noteMembers(text, ANSWERED);
}

/** The first line that holds any of it, and what that is. */
export function leak(lines: string[]): string | undefined {
  for (const line of lines) {
    const secret = [...known].find((secret) => line.includes(secret)) ?? GENERATED.exec(line)?.[0];
    if (secret !== undefined) return `a log holds ${JSON.stringify(secret)}: ${line}`;
  }
  return undefined;
}

function noteMembers(text: string, names: string[]): void {
  try {
    JSON.parse(text, (name, value) => {
      const values = [value].flat().filter((value) => typeof value === "string");
      if (name === "Authorization") values.forEach(noteCredentials);
      else if (names.includes(name)) values.forEach(note);
      else if (POSITIONS.includes(name) && typeof value === "number") noteDegrees(value);
      return value;
    });
  } catch {
    // What is no JSON has no members.
  }
}

function noteCredentials(header: string): void {
  const credentials = header.split(" ").at(-1) ?? "";
  if (Buffer.byteLength(credentials) >= SHORTEST_CREDENTIALS) note(credentials);
}

/** Notes degrees of a position as they are written. */
function noteDegrees(degrees: number): void {
  const text = `${degrees}`;
  if (text.replace(/\D/g, "").length >= FEWEST_DIGITS) known.add(text);
}

/** Notes each line of a value, as it is and as logs escape it. */
function note(value: string): void {
  const lines = value.split(/\r?\n/).map((line) => [...line].slice(0, LONGEST).join(""));
  for (const form of lines.flatMap((line) => [line, JSON.stringify(line).slice(1, -1)])) {
    if (Buffer.byteLength(form) >= SHORTEST && new Set(form).size >= FEWEST_CHARACTERS) known.add(form);
  }
}
