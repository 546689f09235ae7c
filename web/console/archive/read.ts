/** Reading chats of the archive. */
import { ApiError, type Chat, type Message } from "@mayday/client";
import { messenger } from "../account.js";

/** What a page of the service may have. */
const PAGE = 500;

export interface Archived {
  /** Undefined while the chat is still open: it is in no archive yet. */
  chat: Chat | undefined;
  messages: Message[];
}

/** Undefined if the agency has no such chat. */
export async function readChat(id: string, signal: AbortSignal): Promise<Archived | undefined> {
  try {
    const messages = await readMessages(id, signal);
    return { chat: await findChat(id, signal), messages };
  } catch (error) {
    if (isNotFound(error)) return undefined;
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

async function findChat(id: string, signal: AbortSignal): Promise<Chat | undefined> {
  try {
    return await messenger.chat(id, { signal });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** The service answers 400 to everything; this is how it says that there is no such chat. */
function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.message === "chat not found";
}
