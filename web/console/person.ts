/** What a chat says about its person: name, turn, position. */
import type { ChatView, Position, RequestKind, Timestamp } from "@mayday/client";
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
  if (participant && !participant.email.endsWith("@guest.invalid")) return participant.email;
  return t("person.guest", { id: String(participantId) });
}

export interface Place extends Position {
  accuracy?: number;
  at: Timestamp;
}

/** Where the person was last: what came with a message, else what came with the press. */
export function placeOf({ chat, messages }: ChatView): Place | undefined {
  const told = messages.filter(({ fromOrganizer, lat }) => !fromOrganizer && lat !== undefined).at(-1);
  if (told?.lat !== undefined && told.lng !== undefined) return { lat: told.lat, lng: told.lng, at: told.time };
  const { latStart, lngStart, accuracyStart, positionAtStart, timeStart } = chat;
  if (latStart === undefined || lngStart === undefined) return undefined;
  return {
    ...{ lat: latStart, lng: lngStart, at: positionAtStart ?? timeStart },
    ...(accuracyStart !== undefined && { accuracy: accuracyStart }),
  };
}

/** Who has to write next, and since when. */
export function turnOf({ chat, messages }: ChatView): { mine: boolean; since: number } {
  // An answer that has not arrived is none yet.
  const spoken = messages.filter(({ system, state }) => !system && (state === "saved" || state === "read"));
  const last = spoken.at(-1);
  if (!last) return { mine: true, since: Date.parse(chat.timeStart) };
  if (last.fromOrganizer) return { mine: false, since: Date.parse(last.time) };
  // The wait began with the first message that has no answer.
  const answered = spoken.map(({ fromOrganizer }) => fromOrganizer).lastIndexOf(true);
  return { mine: true, since: Date.parse(spoken[answered + 1]?.time ?? last.time) };
}
