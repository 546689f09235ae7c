/** A chat in a list. */
import type { Chat } from "@mayday/client";
import { currentLanguage } from "../../ui/i18n.js";
import { Icon } from "../../ui/icon.js";
import { PersonText } from "../../ui/text.js";
import { EventName, type Names, UserName, userName } from "../kit/names.js";
import { When } from "../kit/parts.js";
import { KINDS, nameOf } from "../person.js";
import { duration, t } from "../texts.js";

/** Ages of so long are counted. */
const NEAR_MS = 12 * 3_600_000;

/** A chat in the archive never changes, so what it looks like is made once: the same node again costs nothing. */
const rows = new WeakMap<Chat, { names: Names; look: string; node: preact.VNode }>();

export function rowOf(chat: Chat, names: Names, search: string): preact.VNode {
  const isNear = Date.now() - Date.parse(chat.timeStart) < NEAR_MS;
  const look = `${currentLanguage()} ${isNear ? Math.floor(Date.now() / 60_000) : ""} ${search}`;
  const known = rows.get(chat);
  if (known?.names === names && known.look === look) return known.node;
  const node = <Row key={chat.id} chat={chat} names={names} search={search} />;
  rows.set(chat, { names, look, node });
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
      <a
        id={`chat-${id}`}
        class="entry-name"
        href={`/console/archive/${id}${search && `?${new URLSearchParams({ q: search })}`}`}
      >
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
