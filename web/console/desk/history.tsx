/** The earlier chats of the person whose chat is on the screen. */
import type { Chat, ChatView } from "@mayday/client";
import { useEffect, useRef } from "preact/hooks";
import { timeOf } from "../../ui/i18n.js";
import { Icon } from "../../ui/icon.js";
import { PersonText } from "../../ui/text.js";
import { messenger } from "../account.js";
import { useLoad, usePages } from "../kit/load.js";
import { Empty, More, Shown, When } from "../kit/parts.js";
import { closeHistory, isWriting } from "../live.js";
import "../kit/style.js";
import { noteOf } from "../notes/notes.js";
import { nameOf, wordsOf } from "../person.js";
import { state } from "../state.js";
import { t } from "./texts.js";

const CHATS = 10;
/** Longer chats are read in the archive. */
const MESSAGES = 200;

export function History({ chat }: { chat: ChatView }) {
  const { participantId } = chat.chat;
  const title = useRef<HTMLHeadingElement>(null);
  // It may come late: whoever is in the middle of a sentence goes on.
  useEffect(() => {
    if (!isWriting()) title.current?.focus();
  }, []);
  const chats = usePages(
    `history/${participantId}`,
    [],
    (page, signal) => messenger.chats({ participantId, ...page }, { signal }),
    CHATS,
  );
  return (
    <aside class="history" aria-labelledby="history-title">
      <div class="row tight">
        <h2 id="history-title" class="grow" ref={title} tabIndex={-1}>
          {t("history.of", { name: nameOf(chat) })}
        </h2>
        <button type="button" class="plain" aria-label={t("menu.close")} onClick={closeHistory}>
          <Icon name="close" />
        </button>
      </div>
      <Shown of={chats}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty>{t("history.none")}</Empty>
          ) : (
            <ol>
              {rows.map((row) => (
                <Earlier key={row.id} chat={row} />
              ))}
            </ol>
          )
        }
      </Shown>
      <More pages={chats} />
    </aside>
  );
}

function Earlier({ chat }: { chat: Chat }) {
  const { id, eventId, organizerName, timeStart } = chat;
  const read = useLoad(`messages/${id}`, [], (signal) => messenger.agencyMessages(id, { limit: MESSAGES }, { signal }));
  const event = state.events.get(eventId);
  const [first = ""] = wordsOf(read.data ?? [], chat.kind);
  return (
    <li>
      <details>
        <summary>
          <span class="row spread">
            <When at={timeStart} />
            <span class="faint">
              <bdi dir="auto">{organizerName || t("chat.colleague")}</bdi>
            </span>
          </span>
          <span class="faint">{event ? <PersonText>{event}</PersonText> : t("event.nameless", { n: eventId })}</span>
          <span class="history-first">
            <PersonText>{first}</PersonText>
          </span>
        </summary>
        <Shown of={read}>
          {(messages) => (
            <ol class="history-messages">
              {messages.map(({ id, content, fromOrganizer, system, timeSent }) => (
                <li key={id} class={system ? "faint" : fromOrganizer ? "by-us" : ""}>
                  <span class="unseen">
                    {t(system ? "chat.note" : fromOrganizer ? "chat.colleague" : "chat.person")}:{" "}
                  </span>
                  <PersonText>{system ? noteOf(content) : content}</PersonText>
                  <time class="faint" dateTime={timeSent}>
                    {timeOf(timeSent)}
                  </time>
                </li>
              ))}
            </ol>
          )}
        </Shown>
        <p>
          <a href={`/console/archive/${id}`}>{t("history.archive")}</a>
        </p>
      </details>
    </li>
  );
}
