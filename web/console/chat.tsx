/** The chat on the screen. */
import type { ChatView, MessageState, MessageView, RequestKind } from "@mayday/client";
import { ageOf, currentLanguage, distance, timeOf, withoutBidi } from "../ui/i18n.js";
import { Icon, type IconName } from "../ui/icon.js";
import { PersonText, phoneAddress } from "../ui/text.js";
import { Composer } from "./composer.js";
import { later } from "./later.js";
import { closeSoon, focusComposer, openHandOver, openIncident, session, toggleHistory, undoClose } from "./live.js";
import { isOld, KINDS, nameOf, type Place, placeOf, textOf } from "./person.js";
import { isLive, selectedChat, state, update } from "./state.js";
import { type TextKey, t } from "./texts.js";

const desk = later(() => import("./desk/history.js"));
// Without them notes are in English.
const notes = later(() => import("./notes/notes.js"), true);

export function ChatPane() {
  const chat = selectedChat();
  if (!chat) {
    return (
      <section class="pane empty" aria-label={t("chat.label")}>
        <p>{t(state.live?.chats.length ? "chat.choose" : "chat.empty")}</p>
      </section>
    );
  }
  const gone = state.gone.get(chat.id);
  const History = state.history ? desk()?.History : undefined;
  return (
    <section class="pane" aria-label={t("chat.label")}>
      <Person chat={chat} gone={gone !== undefined} />
      {logOf(chat, isLive() ? "live" : "", String(firstShown(chat)), [...state.colleagues.values()].join())}
      {History && <History key={chat.id} chat={chat} />}
      {state.closing.has(chat.id) ? <Closing chat={chat} /> : <Composer chat={chat} gone={gone} />}
    </section>
  );
}

function Person({ chat, gone }: { chat: ChatView; gone: boolean }) {
  const { kind, participant, eventId, timeStart } = chat.chat;
  const place = placeOf(chat);
  const event = state.events.get(eventId);
  return (
    <header class="person">
      <div class="person-name">
        <h2>
          <PersonText>{nameOf(chat)}</PersonText>
        </h2>
        <div class="row">
          <button type="button" aria-keyshortcuts="P" aria-expanded={state.history} onClick={toggleHistory}>
            {t("history.button")}
            <kbd>P</kbd>
          </button>
          <button type="button" aria-keyshortcuts="I" onClick={openIncident}>
            {t("incident.button")}
            <kbd>I</kbd>
          </button>
          <button type="button" disabled={gone || !isLive()} aria-keyshortcuts="H" onClick={openHandOver}>
            {t("hand-over.button")}
            <kbd>H</kbd>
          </button>
          <button
            type="button"
            disabled={gone || !isLive() || state.closing.has(chat.id)}
            aria-keyshortcuts="C"
            onClick={() => closeSoon(chat.id)}
          >
            {t("close.button")}
            <kbd>C</kbd>
          </button>
        </div>
      </div>
      <dl class="facts">
        {kind && (
          <Fact icon={kind} label={t("person.kind")}>
            {t(KINDS[kind])}
          </Fact>
        )}
        {participant?.phoneNumber && (
          <Fact icon="phone" label={t("person.phone")}>
            <Phone number={participant.phoneNumber} />
          </Fact>
        )}
        <Fact icon="pin" label={t("person.place")}>
          {place ? <Where place={place} /> : <span class="faint">{t("person.no-place")}</span>}
        </Fact>
        <Fact icon="clock" label={t("person.event")}>
          {event ? <PersonText>{event}</PersonText> : t("event.nameless", { n: eventId })}{" "}
          <time class="faint" dateTime={timeStart}>
            {timeOf(timeStart)}
          </time>
        </Fact>
      </dl>
    </header>
  );
}

export function Phone({ number }: { number: string }) {
  return (
    <a href={phoneAddress(number)} dir="ltr">
      {withoutBidi(number)}
    </a>
  );
}

function Fact(props: { icon: IconName; label: string; children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>
        <Icon name={props.icon} />
        <span class="unseen">{props.label}</span>
      </dt>
      <dd>{props.children}</dd>
    </div>
  );
}

function Where({ place }: { place: Place }) {
  const { lat, lng, accuracy, at } = place;
  const uncertainty = accuracy === undefined ? "" : `;u=${Math.ceil(accuracy)}`;
  return (
    <span class={isOld(place) ? "old" : ""}>
      <a href={`geo:${lat},${lng}${uncertainty}`} dir="ltr" class="tabular">
        {lat.toFixed(5)}, {lng.toFixed(5)}
      </a>{" "}
      {accuracy !== undefined && <span class="tabular">±{distance(accuracy)} </span>}
      {at && <span>{ageOf(at)}</span>}
    </span>
  );
}

/** Of long chats the end is shown, in steps: a reader of it is not disturbed by each new message. */
const STEP = 50;
const SHOWN = 100;

function firstShown({ messages }: ChatView): number {
  return Math.max(0, Math.ceil((messages.length - SHOWN - state.older) / STEP) * STEP);
}

function Log({ chat, isLive, first }: { chat: ChatView; isLive: boolean; first: number }) {
  return (
    // Who reads older messages scrolls by the keys, so the log can have the focus.
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a place that scrolls
    <div class="log" ref={holdEnd} tabIndex={0} role="log" aria-label={t("chat.messages")} aria-live="off">
      {!chat.complete && <p class="faint">{t("chat.loading")}</p>}
      {first > 0 && (
        <button type="button" class="plain" onClick={() => update({ older: state.older + 4 * SHOWN })}>
          {t("chat.older")}
        </button>
      )}
      <ol>
        {chat.messages
          .slice(first)
          .map((message) => entryOf(message, chat.state, chat.chat.kind ?? "", colleagueOf(message)))}
      </ol>
      <p class="log-end faint">{chat.typing && isLive ? t("chat.typing-person") : "\u00a0"}</p>
    </div>
  );
}

/**
 * What is shown of a chat and of a message never changes, so it is made once: the same node again costs nothing. The
 * clock of the page goes every second, and chats have hundreds of messages.
 */
function once<Of extends object, States extends string[]>(make: (of: Of, ...states: States) => preact.VNode) {
  const made = new WeakMap<Of, { as: string; node: preact.VNode }>();
  return (of: Of, ...states: States): preact.VNode => {
    const as = [currentLanguage(), notes() !== undefined, ...states].join("\n");
    const known = made.get(of);
    if (known?.as === as) return known.node;
    const node = make(of, ...states);
    made.set(of, { as, node });
    return node;
  };
}

const logOf = once((chat: ChatView, trust: string, first: string, _colleagues: string) => (
  <Log key={chat.id} chat={chat} isLive={trust === "live"} first={Number(first)} />
));
const entryOf = once((message: MessageView, state: ChatView["state"], kind: RequestKind | "", colleague: string) => (
  <Message key={message.key} message={message} isOver={state === "closed"} kind={kind} colleague={colleague} />
));

/** The name of the colleague who has written a message, if it is known. */
function colleagueOf({ mine, fromOrganizer, authorId }: MessageView): string {
  return (fromOrganizer && !mine && authorId && state.colleagues.get(authorId)) || "";
}

interface MessageProps {
  message: MessageView;
  isOver: boolean;
  kind: RequestKind | "";
  colleague: string;
}

function Message({ message, isOver, kind, colleague }: MessageProps) {
  const { mine, system, fromOrganizer, content, time, lat, lng } = message;
  const who = system ? "chat.note" : mine ? "chat.you" : fromOrganizer ? "chat.colleague" : "chat.person";
  return (
    <li class={`message ${system ? "note" : fromOrganizer ? "ours" : "theirs"}`}>
      <span class="unseen">{t(who)}: </span>
      <PersonText>{system ? noteText(content) : textOf(message, kind || undefined)}</PersonText>
      <p class="meta">
        {!system && fromOrganizer && !mine && <bdi dir="auto">{colleague || t("chat.colleague")}</bdi>}
        {lat !== undefined && lng !== undefined && (
          <a href={`geo:${lat},${lng}`} aria-label={t("person.place")}>
            <Icon name="pin" />
          </a>
        )}
        <time dateTime={time}>{timeOf(time)}</time>
        {mine && !system && <Delivery message={message} isOver={isOver} />}
      </p>
    </li>
  );
}

/** Until the texts of notes are there, the service's own, without its name before it. */
function noteText(content: string): string {
  return notes()?.noteOf(content) ?? content.replace(/^Mayday: /, "");
}

const DELIVERY: Record<MessageState, [IconName, TextKey]> = {
  queued: ["clock", "sent.queued"],
  sending: ["clock", "ladder.sending"],
  saved: ["check", "delivery.delivered"],
  read: ["read", "delivery.read"],
  failed: ["warning", "sent.failed"],
};

function Delivery({ message, isOver }: { message: MessageView; isOver: boolean }) {
  const { state: delivery, clientId } = message;
  const [icon, text] = DELIVERY[delivery];
  return (
    <>
      <Icon name={icon} />
      <span>{t(text)}</span>
      {delivery === "failed" && clientId && (
        <>
          {!isOver && (
            <button type="button" onClick={() => session?.retry(clientId)}>
              {t("sent.retry")}
            </button>
          )}
          <button type="button" onClick={() => session?.discard(clientId)}>
            {t("sent.discard")}
          </button>
        </>
      )}
    </>
  );
}

function Closing({ chat }: { chat: ChatView }) {
  const left = Math.ceil(((state.closing.get(chat.id) ?? 0) - Date.now()) / 1000);
  const undo = () => {
    undoClose(chat.id);
    focusComposer();
  };
  return (
    <div class="foot row spread closing">
      <p class="tabular">{t("close.in", { n: Math.max(0, left) })}</p>
      <button type="button" class="strong" aria-keyshortcuts="Z" onClick={undo}>
        {t("close.undo")}
        <kbd>Z</kbd>
      </button>
    </div>
  );
}

/** A chat is opened at its end. Who sees the end sees new messages; a reader of older ones is left there. */
function holdEnd(log: HTMLElement | null): void {
  if (!log) return;
  let isHeld = true;
  let before = { scrollTop: 0, scrollHeight: 0 };
  const hold = () => {
    if (isHeld) log.scrollTop = log.scrollHeight;
  };
  const observer = new ResizeObserver(hold);
  for (const element of [log, ...log.children]) observer.observe(element);
  log.addEventListener("scroll", () => {
    const { scrollTop, scrollHeight, clientHeight } = log;
    const isAtEnd = scrollHeight - scrollTop - clientHeight < 60;
    // Only the reader goes up, or the log where older messages are shown no more. That the end has moved away is no
    // reason to let it go.
    const isReader = scrollTop < before.scrollTop && scrollHeight >= before.scrollHeight;
    if (isAtEnd || isReader) isHeld = isAtEnd;
    before = { scrollTop, scrollHeight };
  });
}
