/** What a chat says about its person: name, turn, position. */
import type { ChatView, Message, MessageView, Position, RequestKind, Timestamp } from "@mayday/client";
import { type TextKey, t } from "./texts.js";

export const KINDS: Record<RequestKind, TextKey> = {
  medical: "kind.medical",
  lost: "kind.lost",
  threat: "kind.threat",
  other: "kind.other",
};

export function nameOf({ chat }: Pick<ChatView, "chat">): string {
  const { participant, participantId } = chat;
  if (participant?.name) return participant.name;
  // The address of a guest was made by the service and tells nothing.
  if (participant && !participant.guest) return participant.email;
  return t("person.guest", { id: String(participantId) });
}

const PREFIX = "Problem description: ";
/** What the service calls a kind in the first message. */
const KIND_WORDS: Record<RequestKind, string> = {
  medical: "medical emergency",
  lost: "lost, or somebody is missing",
  threat: "threat or violence",
  other: "something else",
};

/** What the person has said so far, without what the service puts before it. */
export function wordsOf(messages: readonly Said[], kind?: RequestKind): string[] {
  const theirs = messages.filter(({ fromOrganizer, system }) => !fromOrganizer && !system);
  return theirs.map((message) => wordsIn(message, kind).trim()).filter(Boolean);
}

type Said = Pick<MessageView | Message, "content" | "fromOrganizer" | "system">;

/** What somebody has written, as it is shown. Of a press without words it is the kind, in the reader's language. */
export function textOf(message: Said, kind?: RequestKind): string {
  const words = wordsIn(message, kind);
  return words || !kind || !message.content ? words : t(KINDS[kind]);
}

function wordsIn({ content, fromOrganizer }: Said, kind?: RequestKind): string {
  if (fromOrganizer || !content.startsWith(PREFIX)) return content;
  const words = content.slice(PREFIX.length);
  const before = kind && KIND_WORDS[kind];
  if (!before || !words.startsWith(before)) return words;
  return words.slice(before.length).replace(/^\. /, "");
}

export interface Place extends Position {
  accuracy?: number;
  /** Undefined if nobody has said it. */
  at: Timestamp | undefined;
}

/** A position that is older than this may not be where the person is. */
const FRESH_MS = 60_000;

export function isOld({ at }: Place): boolean {
  return !at || Date.now() - Date.parse(at) > FRESH_MS;
}

/**
 * Where the person was last: what came with a message, else what came with the press. Messages do not carry how
 * accurate a position is, and what was said of the one at the press is not true of another.
 */
export function placeOf({ chat, messages }: ChatView): Place | undefined {
  const told = lastOf(messages, ({ fromOrganizer, lat }) => !fromOrganizer && lat !== undefined);
  if (told?.lat !== undefined && told.lng !== undefined) return { lat: told.lat, lng: told.lng, at: told.time };
  const { latStart, lngStart, accuracyStart, positionAtStart } = chat;
  if (latStart === undefined || lngStart === undefined) return undefined;
  return {
    ...{ lat: latStart, lng: lngStart, at: positionAtStart ?? pressedAt(messages) },
    ...(accuracyStart !== undefined && { accuracy: accuracyStart }),
  };
}

/** The time of the press is that of its description. Without one it is not known: a chat begins when it is taken. */
function pressedAt([first]: readonly MessageView[]): Timestamp | undefined {
  return first?.content.startsWith(PREFIX) ? first.time : undefined;
}

/** The last message that passes. Chats are long, and what is looked for is near the end. */
export function lastOf(messages: readonly MessageView[], passes: (message: MessageView) => boolean) {
  for (let at = messages.length - 1; at >= 0; at--) {
    const message = messages[at];
    if (message && passes(message)) return message;
  }
  return undefined;
}

/** Who has to write next, and since when. */
export function turnOf({ chat, messages }: ChatView): { mine: boolean; since: number } {
  let unanswered: Timestamp | undefined;
  const answer = lastOf(messages, ({ system, state, fromOrganizer, time }) => {
    // An answer that has not arrived is none yet.
    if (system || (state !== "saved" && state !== "read")) return false;
    if (fromOrganizer) return true;
    // The wait began with the first message that has no answer.
    unanswered = time;
    return false;
  });
  if (answer && !unanswered) return { mine: false, since: Date.parse(answer.time) };
  return { mine: true, since: Date.parse(unanswered ?? chat.timeStart) };
}
