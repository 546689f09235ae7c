/** A chat in a list. */
import type { Chat } from "@mayday/client";
import { currentLanguage } from "../../ui/i18n.js";
import { Icon } from "../../ui/icon.js";
import { PersonText } from "../../ui/text.js";
import { EventName, type Names, UserName, userName } from "../kit/names.js";
import { When } from "../kit/parts.js";
import { KINDS, nameOf } from "../person.js";
import { duration, t } from "../texts.js";
import { withWords } from "./words.js";

/** Ages of so long are counted. */
const NEAR_MS = 12 * 3_600_000;
/** Rows that the browser leaves out together while they are not seen. */
const BLOCK = 50;

interface Block {
  chats: Chat[];
  names: Names;
  look: string;
  node: preact.VNode;
}

/** By the first chat of each. */
const blocks = new WeakMap<Chat, Block>();

/** Newest first. Chats in the archive never change, so a block is made once: the same node again costs nothing. */
export function ChatRows({ chats, names, search }: { chats: Chat[]; names: Names; search: string }) {
  const nodes: preact.VNode[] = [];
  for (let at = 0; at < chats.length; at += BLOCK) nodes.push(blockOf(chats.slice(at, at + BLOCK), names, search, at));
  return <div class="entries">{nodes}</div>;
}

function blockOf(chats: Chat[], names: Names, search: string, at: number): preact.VNode {
  const [first] = chats as [Chat];
  const isNear = Date.now() - Date.parse(first.timeStart) < NEAR_MS;
  const look = `${at} ${currentLanguage()} ${isNear ? Math.floor(Date.now() / 60_000) : ""} ${search}`;
  const known = blocks.get(first);
  const isSame = known?.names === names && known.look === look && chats.every((chat, n) => chat === known.chats[n]);
  if (known && isSame && known.chats.length === chats.length) return known.node;
  const node = (
    <ol key={first.id} class="entry-block" start={at + 1} style={{ "--rows": chats.length }}>
      {chats.map((chat) => (
        <Row key={chat.id} chat={chat} names={names} search={search} />
      ))}
    </ol>
  );
  blocks.set(first, { chats, names, look, node });
  return node;
}

function Row({ chat, names, search }: { chat: Chat; names: Names; search: string }) {
  const { id, kind, eventId, timeStart } = chat;
  const length = lengthOf(chat);
  return (
    <li class="entry archived">
      <span class="archive-kind">
        {kind && (
          <>
            <Icon name={kind} />
            <span class="unseen">{t(KINDS[kind])}</span>
          </>
        )}
      </span>
      <a id={`chat-${id}`} class="entry-name" href={withWords(`/console/archive/${id}`, search)}>
        <PersonText>{nameOf({ chat })}</PersonText>
      </a>
      <span class="entry-event faint">
        <EventName names={names} id={eventId} />
      </span>
      <span class="entry-author faint">
        <OrganizerName chat={chat} names={names} />
      </span>
      <span class="entry-count faint tabular">{length !== undefined && duration(length)}</span>
      <span class="entry-age faint">
        <When at={timeStart} />
      </span>
    </li>
  );
}

/** Who had the chat last. Who has left the agency is known by the name of then. */
export function OrganizerName({ chat, names }: { chat: Chat; names: Names }) {
  const { organizerId, organizerName } = chat;
  if (organizerName && !userName(names, organizerId)) return <PersonText>{organizerName}</PersonText>;
  return <UserName names={names} id={organizerId} />;
}

/** In milliseconds, if the end is known. */
export function lengthOf({ timeStart, timeEnd }: Chat): number | undefined {
  const length = Date.parse(timeEnd) - Date.parse(timeStart);
  return length >= 0 ? length : undefined;
}
