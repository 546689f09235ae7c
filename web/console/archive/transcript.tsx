/** What was said in a chat, line by line. */
import type { Chat, Message } from "@mayday/client";
import { currentLocale } from "../../ui/i18n.js";
import { PersonText } from "../../ui/text.js";
import { type Names, userName } from "../kit/names.js";
import { noteOf } from "../notes/notes.js";
import { nameOf } from "../person.js";
import { clockOf } from "../texts.js";
import { t } from "./texts.js";

interface TranscriptProps {
  chat: Chat;
  messages: Message[];
  names: Names;
  /** What led here: it is marked. */
  search: string;
}

export function Transcript({ chat, messages, names, search }: TranscriptProps) {
  const pattern = search && new RegExp(`(${search.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")})`, "giu");
  return (
    <ol class="transcript" aria-label={t("chat.messages")}>
      {messages.map((message, index) => {
        const { id, timeSent, content, lat, lng, system, fromOrganizer } = message;
        const day = dayOf(timeSent);
        const before = messages[index - 1];
        return [
          day !== (before && dayOf(before.timeSent)) && (
            <li key={`day-${id}`} class="transcript-day">
              {day}
            </li>
          ),
          <li key={id} class={system ? "transcript-note" : fromOrganizer ? "transcript-ours" : ""}>
            <time class="tabular faint" dateTime={timeSent}>
              {clockOf(Date.parse(timeSent))}
            </time>
            <span class="transcript-who">
              <PersonText>{system ? t("chat.note") : authorOf(message, chat, names)}</PersonText>
            </span>
            <span class="transcript-text">
              <Marked text={system ? noteOf(content) : content} pattern={pattern} />
              {lat !== undefined && lng !== undefined && (
                <a class="tabular" href={`geo:${lat},${lng}`}>
                  <bdi dir="ltr">
                    {lat.toFixed(5)}, {lng.toFixed(5)}
                  </bdi>
                </a>
              )}
            </span>
          </li>,
        ];
      })}
    </ol>
  );
}

/** A chat may be handed over, so organizers are named. */
function authorOf({ fromOrganizer, authorId }: Message, chat: Chat, names: Names): string {
  if (!fromOrganizer) return nameOf({ chat });
  const then = authorId === chat.organizerId ? chat.organizerName : undefined;
  return userName(names, authorId) ?? then ?? t("chat.colleague");
}

function dayOf(timestamp: string): string {
  return new Intl.DateTimeFormat(currentLocale(), { dateStyle: "full" }).format(Date.parse(timestamp));
}

function Marked({ text, pattern }: { text: string; pattern: RegExp | "" }) {
  if (!pattern) return <PersonText>{text}</PersonText>;
  return (
    <bdi dir="auto" class="person-text">
      {text.split(pattern).map((part, index) => (index % 2 ? <mark key={String(index)}>{part}</mark> : part))}
    </bdi>
  );
}
