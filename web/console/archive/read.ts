/** Reading chats of the archive. */
import { ApiError, type Chat, type ChatFilter, type Message } from "@mayday/client";
import { messenger } from "../account.js";

/** What a page of the service may have. */
const PAGE = 500;
const MARGIN_MS = 1000;

export interface Archived {
  /** Undefined while the chat is still open: it is in no archive yet. */
  chat: Chat | undefined;
  messages: Message[];
}

/** Undefined if the agency has no such chat. */
export async function readChat(id: string, signal: AbortSignal): Promise<Archived | undefined> {
  try {
    const messages = await readMessages(id, signal);
    return { chat: await findChat(id, messages, signal), messages };
  } catch (error) {
    // The service answers 400 to everything; this is how it says that there is none.
    if (error instanceof ApiError && error.message === "chat not found") return undefined;
    throw error;
  }
}

async function readMessages(id: string, signal: AbortSignal): Promise<Message[]> {
  const messages: Message[] = [];
  for (;;) {
    const afterSeq = messages.at(-1)?.seq ?? 0;
    const page = await messenger.agencyMessages(id, { afterSeq, limit: PAGE }, { signal });
    messages.push(...page);
    if (page.length < PAGE) return messages;
  }
}

/** The service has no address for a single chat. It began when its first note was written, or after that. */
async function findChat(id: string, messages: Message[], signal: AbortSignal): Promise<Chat | undefined> {
  const [first, last] = [messages[0], messages.at(-1)];
  if (!first || !last) return undefined;
  const participantId = messages.find(({ fromOrganizer, system }) => !fromOrganizer && !system)?.authorId;
  const period: ChatFilter = {
    from: new Date(Date.parse(first.timeSent) - MARGIN_MS).toISOString(),
    to: new Date(Date.parse(last.timeSent) + MARGIN_MS).toISOString(),
    ...(participantId && { participantId }),
  };
  let cursor: string | undefined;
  do {
    const page = await messenger.chats({ ...period, limit: PAGE, ...(cursor && { cursor }) }, { signal });
    const chat = page.items.find((chat) => chat.id === id);
    if (chat) return chat;
    cursor = page.next;
  } while (cursor);
  return undefined;
}
