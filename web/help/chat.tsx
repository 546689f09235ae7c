/** The chat with the team. */
import type { ChatView, MessageState, MessageView, Press } from "@mayday/client";
import { Question } from "../ui/dialog.js";
import { type TextKey, t, timeOf } from "../ui/i18n.js";
import { Icon, type IconName } from "../ui/icon.js";
import { PersonText } from "../ui/text.js";
import { CallTeam } from "./ask.js";
import { whereText } from "./details.js";
import { placeText, waitText, withText } from "./ladder.js";
import { where } from "./location.js";
import { startSharing, stopSharing } from "./share.js";
import { isForgetful, session, state, update } from "./state.js";

const QUICK: TextKey[] = ["quick.yes", "quick.no", "quick.hurt", "quick.silent", "quick.moved"];
/** A frame has 16 KiB: in any script, this many characters. */
const LONGEST = 4000;

export function ChatScreen({ press, chat }: { press: Press; chat: ChatView }) {
  const saySafe = () => {
    update({ question: undefined });
    stopSharing();
    say(chat, t("safe.message"));
  };
  return (
    <>
      <Head press={press} chat={chat} />
      <Log chat={chat} />
      <Composer chat={chat} />
      {state.question === "safe" && (
        <Question
          title={t("safe.title")}
          text={t("safe.text")}
          yes={t("safe.confirm")}
          no={t("safe.cancel")}
          onYes={saySafe}
          onNo={() => update({ question: undefined })}
        />
      )}
    </>
  );
}

function isSharing(chat: ChatView): boolean {
  return state.sharing?.chatId === chat.id;
}

function say(chat: ChatView, text: string): void {
  const position = isSharing(chat) && where.state === "known" ? where.fix : undefined;
  void session?.send(chat.id, text, position);
}

function Head({ press, chat }: { press: Press; chat: ChatView }) {
  const waiting = chat.state === "waiting";
  return (
    <section class="chat-head" aria-label={t("chat.title")}>
      <h2 class={waiting ? "" : "there"}>
        {!waiting && <Icon name="person" />}
        <span class="person-text">{waiting ? placeText(press) : withText(press)}</span>
      </h2>
      {waiting && (
        <p>
          {t("chat.requeued")} {waitText(press)}
        </p>
      )}
      {!waiting && press.step === "read" && (
        <p class="meta">
          <Icon name="read" />
          {t("ladder.read")}
        </p>
      )}
      {state.live?.connection.name !== "live" && (
        <p class="meta">
          <Icon name="clock" />
          {t("net.connecting")}
        </p>
      )}
      <div class="row">
        <CallTeam short />
        <button type="button" onClick={() => update({ question: "safe" })}>
          <Icon name="check" />
          {t("safe.button")}
        </button>
      </div>
    </section>
  );
}

function Log({ chat }: { chat: ChatView }) {
  return (
    <section>
      <ol class="log" aria-label={t("chat.title")}>
        {chat.messages.map((message) => (
          <Message key={message.key} message={message} />
        ))}
      </ol>
      <p class="meta log-end">{chat.typing ? t("chat.typing") : "\u00a0"}</p>
    </section>
  );
}

/**
 * Called before a rendering; the returned function after it. Who sees the end of the log sees new messages; a reader of
 * older ones is left there. The last message then stands above the composer, or, where enlarged text leaves no room
 * for both, at the top.
 */
export function watchLog(): () => void {
  const end = document.querySelector(".log-end");
  const seesEnd = !end || end.getBoundingClientRect().top < innerHeight;
  // A live collection.
  const messages = document.getElementsByClassName("message");
  const before = messages.length;
  return () => {
    // Without a composer, the messages are those that were not sent before the chat ended.
    const composer = document.querySelector(".composer");
    if (composer && messages.length > before && seesEnd) {
      if (composer.clientHeight < innerHeight * 0.6) scrollTo(0, document.documentElement.scrollHeight);
      else messages[messages.length - 1]?.scrollIntoView();
    }
  };
}

export function Message({ message }: { message: MessageView }) {
  const { mine, system, content, time } = message;
  const kind = system ? "note" : mine ? "mine" : "";
  return (
    <li class={`message ${kind}`}>
      <span class="unseen">{t(system ? "chat.note" : mine ? "chat.you" : "chat.team")}: </span>
      <PersonText>{system ? content.replace(/^Mayday: /, "") : content}</PersonText>
      <p class="meta">
        {message.lat !== undefined && <Icon name="pin" />}
        <time dateTime={time}>{timeOf(time)}</time>
        {mine && !system && <Delivery state={message.state} />}
      </p>
    </li>
  );
}

const DELIVERY: Record<MessageState, [IconName, TextKey]> = {
  queued: ["clock", "delivery.saved"],
  sending: ["clock", "ladder.sending"],
  saved: ["check", "delivery.delivered"],
  read: ["read", "delivery.read"],
  failed: ["warning", "delivery.failed"],
};

function Delivery({ state }: { state: MessageState }) {
  const [icon, text] = DELIVERY[state];
  return (
    <>
      <Icon name={icon} />
      {t(state === "queued" && isForgetful() ? "delivery.unsaved" : text)}
    </>
  );
}

function Composer({ chat }: { chat: ChatView }) {
  const send = (submit: SubmitEvent) => {
    submit.preventDefault();
    const form = submit.currentTarget as HTMLFormElement;
    const text = String(new FormData(form).get("message")).trim();
    if (!text) return;
    say(chat, text);
    form.reset();
  };
  const sendByEnter = (key: KeyboardEvent) => {
    if (key.key !== "Enter" || key.shiftKey || key.isComposing) return;
    key.preventDefault();
    (key.currentTarget as HTMLTextAreaElement).form?.requestSubmit();
  };
  return (
    <form class="composer" onSubmit={send}>
      <fieldset class="row" aria-label={t("quick.label")}>
        {QUICK.map((key) => (
          <button type="button" key={key} onClick={() => say(chat, t(key))}>
            {t(key)}
          </button>
        ))}
      </fieldset>
      <div class="row send">
        <textarea
          name="message"
          class="grow"
          aria-label={t("chat.message")}
          placeholder={t("chat.message")}
          dir="auto"
          rows={1}
          maxLength={LONGEST}
          onKeyDown={sendByEnter}
          onInput={() => session?.typing(chat.id)}
        />
        <button type="submit" class="strong" aria-label={t("chat.send")}>
          <Icon name="send" />
        </button>
      </div>
      <div>
        <label class="switch">
          <input
            type="checkbox"
            checked={isSharing(chat)}
            onChange={(change) => (change.currentTarget.checked ? startSharing(chat.id) : stopSharing())}
          />
          <span>{t("share.label")}</span>
        </label>
        <p role="status">{isSharing(chat) && where.state !== "known" && whereText()}</p>
      </div>
    </form>
  );
}
