/** One closed chat: all of it, to be read, printed, and saved. */
import type { Chat, Message } from "@mayday/client";
import { useEffect, useMemo } from "preact/hooks";
import { currentLanguage, currentLocale, distance, withoutBidi } from "../../ui/i18n.js";
import { Icon } from "../../ui/icon.js";
import { PersonText, phoneAddress } from "../../ui/text.js";
import { messenger } from "../account.js";
import { saveFile } from "../kit/download.js";
import { useKeys } from "../kit/keys.js";
import { useLoad, usePages } from "../kit/load.js";
import { EventName, type Names, useNames } from "../kit/names.js";
import { Empty, Fact, More, Page, Shown } from "../kit/parts.js";
import { KINDS, nameOf } from "../person.js";
import { go } from "../router.js";
import { state } from "../state.js";
import { duration } from "../texts.js";
import { left } from "./list.js";
import { type Archived, readChat } from "./read.js";
import { ChatRows, lengthOf, OrganizerName } from "./row.js";
import { t } from "./texts.js";
import { Transcript } from "./transcript.js";

export function ArchivedChat({ id, search }: { id: string; search: string }) {
  // Undefined is what is not read yet, so what is not there is null.
  const found = useLoad<Archived | null>(`chats/${id}`, [], async (signal) => (await readChat(id, signal)) ?? null);
  const { chat, messages = [] } = found.data ?? {};
  left.row = `chat-${id}`;
  const save = () => chat && saveChat(chat, messages);
  useKeys({ escape: () => go(left.address), ...(chat && { p: print, d: save }) });
  return (
    <Page
      title={chat ? <PersonText>{nameOf({ chat })}</PersonText> : t("archive.chat")}
      back={[t("area.archive"), left.address]}
      actions={
        chat && (
          <>
            <button type="button" aria-keyshortcuts="P" onClick={print}>
              {t("archive.print")}
              <kbd>P</kbd>
            </button>
            <button type="button" aria-keyshortcuts="D" onClick={save}>
              {t("archive.download")}
              <kbd>D</kbd>
            </button>
          </>
        )
      }
    >
      <Shown of={found}>
        {(found) =>
          found?.chat ? (
            <Whole chat={found.chat} messages={found.messages} search={search} />
          ) : (
            <Empty>{t(found ? "archive.open" : "archive.gone")}</Empty>
          )
        }
      </Shown>
    </Page>
  );
}

function print(): void {
  window.print();
}

function saveChat(chat: Chat, messages: Message[]): void {
  saveFile(`mayday-chat-${chat.id}.json`, "application/json", JSON.stringify({ chat, messages }, null, 2));
}

function Whole({ chat, messages, search }: { chat: Chat; messages: Message[]; search: string }) {
  const names = useNames();
  const language = currentLanguage();
  // The page renders every second, and a closed chat does not change.
  const transcript = useMemo(
    () => <Transcript key={language} chat={chat} messages={messages} names={names} search={search} />,
    [chat, messages, names, search, language],
  );
  useEffect(() => document.querySelector(".transcript mark")?.scrollIntoView({ block: "center" }), []);
  return (
    <>
      <Facts chat={chat} names={names} />
      {transcript}
      <Printed id={chat.id} />
      <Earlier chat={chat} names={names} />
    </>
  );
}

function Facts({ chat, names }: { chat: Chat; names: Names }) {
  const { participant, kind, eventId, timeStart, timeEnd, latStart, lngStart, accuracyStart } = chat;
  const length = lengthOf(chat);
  // Who has no name is called by the address already, and that of a guest was made by the service.
  const hasEmail = participant?.name && !participant.guest;
  return (
    <dl class="archive-facts">
      {kind && (
        <Fact label={t("person.kind")}>
          <Icon name={kind} /> {t(KINDS[kind])}
        </Fact>
      )}
      {participant?.phoneNumber && (
        <Fact label={t("person.phone")}>
          <a href={phoneAddress(participant.phoneNumber)} dir="ltr">
            {withoutBidi(participant.phoneNumber)}
          </a>
        </Fact>
      )}
      {hasEmail && (
        <Fact label={t("account.email")}>
          <PersonText>{participant.email}</PersonText>
        </Fact>
      )}
      <Fact label={t("person.event")}>
        <EventName names={names} id={eventId} />
      </Fact>
      <Fact label={t("archive.organizer")}>
        <OrganizerName chat={chat} names={names} />
      </Fact>
      <Fact label={t("archive.began")}>
        <Moment at={timeStart} />
      </Fact>
      {length !== undefined && (
        <Fact label={t("archive.ended")}>
          <Moment at={timeEnd} /> <span class="tabular faint">{duration(length)}</span>
        </Fact>
      )}
      {latStart !== undefined && lngStart !== undefined && (
        <Fact label={t("person.place")}>
          <a href={`geo:${latStart},${lngStart}`} dir="ltr" class="tabular">
            {latStart.toFixed(5)}, {lngStart.toFixed(5)}
          </a>{" "}
          {accuracyStart !== undefined && <span class="tabular faint">±{distance(accuracyStart)}</span>}
        </Fact>
      )}
    </dl>
  );
}

/** To the second, whenever it was: what is read here may be evidence. */
function Moment({ at }: { at: string }) {
  const format = new Intl.DateTimeFormat(currentLocale(), { dateStyle: "medium", timeStyle: "medium" });
  return (
    <time class="tabular" dateTime={at}>
      {format.format(Date.parse(at))}
    </time>
  );
}

/** On paper: what this is, and whose times these are. */
function Printed({ id }: { id: string }) {
  const { firstName = "", lastName = "" } = state.user ?? {};
  const zone = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  const format = new Intl.DateTimeFormat(currentLocale(), { dateStyle: "medium", timeStyle: "short" });
  const time = format.format(Date.now());
  return <p class="archive-printed">{t("archive.printed", { id, time, name: `${firstName} ${lastName}`, zone })}</p>;
}

function Earlier({ chat, names }: { chat: Chat; names: Names }) {
  const { participantId, timeStart } = chat;
  const chats = usePages(
    `chats/before/${chat.id}`,
    [],
    (page, signal) => messenger.chats({ participantId, to: timeStart, ...page }, { signal }),
    10,
  );
  return (
    <section class="archive-earlier stack" aria-labelledby="earlier-title">
      <h2 id="earlier-title">{t("archive.earlier")}</h2>
      <Shown of={chats}>
        {(items) =>
          items.length === 0 ? (
            <p class="faint">{t("archive.no-earlier")}</p>
          ) : (
            <ChatRows chats={items} names={names} search="" />
          )
        }
      </Shown>
      <More pages={chats} />
      <p>
        <a href={`/console/archive?person=${participantId}`}>{t("archive.all-of-person")}</a>
      </p>
    </section>
  );
}
