/** The side of the screen: who waits, and whom one talks to. */
import type { ChatView } from "@mayday/client";
import { number } from "../ui/i18n.js";
import { Icon } from "../ui/icon.js";
import { PersonText } from "../ui/text.js";
import { areSharesOld, heardAt, open, takeNext, toggleWaiting } from "./live.js";
import { isMapShown, toggleMap } from "./map-pane.js";
import { KINDS, lastOf, nameOf, textOf, turnOf } from "./person.js";
import { isLive, myChats, state } from "./state.js";
import { duration, t } from "./texts.js";

export function Side() {
  return (
    <section class="side" aria-label={t("side.label")}>
      <Queue />
      <Chats />
    </section>
  );
}

function Queue() {
  const { agencyQueue, waitingForChat } = state.live ?? {};
  const { waiting = 0, oldestWaitSeconds = 0 } = agencyQueue ?? {};
  const live = isLive();
  // What is not live does not run.
  const passed = live ? Date.now() - state.queueAt : 0;
  return (
    <section class={`queue ${live ? "" : "stale"}`} aria-labelledby="queue-title">
      <h2 id="queue-title">{t("queue.title")}</h2>
      <dl class="figures">
        <div class={waiting > 0 ? "needed" : ""}>
          <dt>{t("queue.count")}</dt>
          <dd>{agencyQueue ? waiting : "–"}</dd>
        </div>
        <div>
          <dt>{t("queue.oldest")}</dt>
          <dd>{waiting > 0 ? duration(oldestWaitSeconds * 1000 + passed) : "–"}</dd>
        </div>
      </dl>
      <Shares />
      <button
        type="button"
        class={waiting > 0 && live ? "call" : ""}
        disabled={!live || state.taking}
        aria-keyshortcuts="N"
        onClick={takeNext}
      >
        {t("queue.take")}
        <kbd>N</kbd>
      </button>
      <button
        type="button"
        disabled={!live}
        aria-pressed={Boolean(waitingForChat)}
        aria-keyshortcuts="W"
        onClick={toggleWaiting}
      >
        {t("queue.wait")}
        <kbd>W</kbd>
      </button>
      {waitingForChat && <p class="faint">{t("queue.waits")}</p>}
    </section>
  );
}

/** Emergency services ask of themselves to answer nearly everybody in 15 or 20 seconds. */
function Shares() {
  const { within15, within20 } = state.shares ?? {};
  // A share is not made better than it is: 99.6 % are not all.
  const percent = (share: number | null | undefined) =>
    share === null || share === undefined ? "–" : number(Math.floor(share * 100) / 100, { style: "percent" });
  return (
    <>
      <p class="faint">{t("shares.label")}</p>
      <dl class={`figures shares ${areSharesOld() ? "stale" : ""}`}>
        <div>
          <dt>{t("shares.within", { n: 15 })}</dt>
          <dd>{percent(within15)}</dd>
        </div>
        <div>
          <dt>{t("shares.within", { n: 20 })}</dt>
          <dd>{percent(within20)}</dd>
        </div>
      </dl>
    </>
  );
}

function Chats() {
  const chats = myChats();
  return (
    <nav class="chats" aria-labelledby="chats-title">
      <div class="row spread">
        <h2 id="chats-title">{t("chats.title")}</h2>
        <button type="button" class="plain" aria-keyshortcuts="M" aria-pressed={isMapShown()} onClick={toggleMap}>
          {t("map.button")}
          <kbd>M</kbd>
        </button>
      </div>
      {chats.length === 0 ? (
        <p class="faint">{state.live?.synced ? t("chats.none") : t("chats.loading")}</p>
      ) : (
        <ol>
          {chats.map((chat, index) => (
            <ChatItem key={chat.id} chat={chat} place={index + 1} />
          ))}
        </ol>
      )}
    </nav>
  );
}

/** The chosen chat is in sight, however it was chosen. */
const showRow = (row: HTMLElement | null) => row?.scrollIntoView({ block: "nearest" });

function ChatItem({ chat, place }: { chat: ChatView; place: number }) {
  const { kind } = chat.chat;
  const isSelected = chat.id === state.selected;
  const last = lastOf(chat.messages, ({ system }) => !system);
  const turn = turnOf(chat);
  const isGone = state.gone.has(chat.id);
  const now = isLive() ? Date.now() : heardAt;
  return (
    <li ref={isSelected ? showRow : null}>
      <button
        type="button"
        class={`chat-item ${turn.mine && !isGone ? "needs" : ""}`}
        aria-current={isSelected}
        onClick={() => open(chat.id)}
      >
        <span class="item-head">
          {place <= 9 && <kbd>{place}</kbd>}
          {kind && (
            <>
              <Icon name={kind} />
              <span class="unseen">{t(KINDS[kind])}: </span>
            </>
          )}
          <span class="item-name">
            <bdi dir="auto">{nameOf(chat)}</bdi>
          </span>
          {chat.unread > 0 && (
            <span class="badge">
              {chat.unread}
              <span class="unseen"> {t("chats.unread")}</span>
            </span>
          )}
        </span>
        <span class="item-text">
          {chat.typing && isLive() ? (
            <em>{t("chat.typing-person")}</em>
          ) : (
            last && <PersonText>{textOf(last, kind)}</PersonText>
          )}
        </span>
        <span class="item-turn">
          <span>{t(isGone ? "turn.over" : turn.mine ? "turn.mine" : "turn.theirs")}</span>
          {!isGone && <time class="tabular">{duration(now - turn.since)}</time>}
        </span>
      </button>
    </li>
  );
}
