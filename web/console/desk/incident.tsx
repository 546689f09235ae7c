/** An incident of a chat: everything is filled in already, and Enter saves it. */
import type { ChatView, IssuePriority, MessageView, RequestKind } from "@mayday/client";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Dialog } from "../../ui/dialog.js";
import { distance, timeOf, withoutBidi } from "../../ui/i18n.js";
import { PersonText } from "../../ui/text.js";
import { api } from "../account.js";
import { Field, Form, type Values } from "../kit/form.js";
import { tellChange } from "../kit/load.js";
import { closeDialog } from "../live.js";
import { notice } from "../notice.js";
import "../kit/style.js";
import { KINDS, nameOf, type Place, placeOf, wordsOf } from "../person.js";
import { selectedChat, state } from "../state.js";
import { t } from "./texts.js";

/** In characters. The service takes 200 and 20,000; a name is to be read at a glance. */
const NAME = 100;
const DESCRIPTION = 8000;
const PRIORITIES: Record<RequestKind, IssuePriority> = {
  medical: "high",
  threat: "high",
  lost: "medium",
  // It says no more than no kind at all.
  other: "medium",
};

/** Of the chat from which it was opened, also when another is selected meanwhile, or the chat ends. */
export function IncidentDialog() {
  const [chat] = useState(selectedChat);
  const frame = useRef<HTMLDivElement>(null);
  // Before anybody sees the dialog: the next key is for its first field.
  useLayoutEffect(() => {
    frame.current?.querySelector("input")?.focus();
    frame.current?.addEventListener("keydown", sendByKey);
  }, []);
  if (!chat) return null;
  const submit = async (values: Values) => {
    await save(chat, values);
    // It may have been closed meanwhile, and another dialog opened.
    if (frame.current) closeDialog();
  };
  const { eventId } = chat.chat;
  const event = state.events.get(eventId);
  return (
    <Dialog title={t("incident.title")} onClose={closeDialog}>
      <p class="faint">{event ? <PersonText>{event}</PersonText> : t("event.nameless", { n: eventId })}</p>
      <div ref={frame}>
        <Form draft={`incident/${chat.id}`} submitLabel={t("incident.save")} onSubmit={submit}>
          <Field name="name" label={t("incident.name")} value={titleOf(chat)} required />
          <Field name="description" label={t("incident.description")} value={descriptionOf(chat)} long />
          <Field
            name="priority"
            label={t("incident.priority")}
            value={chat.chat.kind ? PRIORITIES[chat.chat.kind] : "medium"}
            options={[
              ["high", t("incident.high")],
              ["medium", t("incident.medium")],
              ["low", t("incident.low")],
            ]}
          />
        </Form>
      </div>
    </Dialog>
  );
}

/** Enter makes a new line in the description; with Ctrl it saves there, too. */
function sendByKey(key: KeyboardEvent): void {
  if (key.key !== "Enter" || !(key.ctrlKey || key.metaKey)) return;
  key.preventDefault();
  (key.target as Element).closest("form")?.requestSubmit();
}

async function save(chat: ChatView, values: Values): Promise<void> {
  const { name = "", description = "", priority } = values;
  const { eventId } = chat.chat;
  const body = { name, description, priority: priority as IssuePriority, eventId };
  const { id } = await api.issues.create(body);
  notice(t("incident.saved"), [t("incident.open"), `/console/incidents/${id}`]);
  tellChange("issues");
}

/** "Injury or illness: My friend has fainted near the stage". */
function titleOf(chat: ChatView): string {
  const { kind } = chat.chat;
  const [first = ""] = wordsOf(chat.messages, kind);
  const parts = [kind ? t(KINDS[kind]) : "", withoutBidi(first).replace(/\s+/g, " ")].filter(Boolean);
  return shortened(parts.join(": ") || withoutBidi(nameOf(chat)), NAME);
}

/** What the person has written, and where and how they can be found. */
function descriptionOf(chat: ChatView): string {
  const { kind, participant } = chat.chat;
  const place = placeOf(chat);
  const words = chat.messages.flatMap((message) => linesOf(message, kind)).join("\n");
  const about = [
    [t("chat.person"), nameOf(chat)],
    [t("person.phone"), participant?.phoneNumber ?? ""],
    [t("person.place"), place ? positionOf(place) : ""],
  ];
  const facts = about.filter(([, value]) => value).map(([label, value]) => `${label}: ${withoutBidi(value ?? "")}`);
  return [shortened(words, DESCRIPTION), facts.join("\n")].filter(Boolean).join("\n\n");
}

/** What a message says. Where it carries a position, its words may be about that one. */
function linesOf(message: MessageView, kind?: RequestKind): string[] {
  const { lat, lng, time: at } = message;
  const place = lat !== undefined && lng !== undefined ? `: ${positionOf({ lat, lng, at })}` : "";
  return wordsOf([message], kind).map((text) => withoutBidi(text) + place);
}

function positionOf({ lat, lng, accuracy, at }: Place): string {
  const about = accuracy === undefined ? "" : ` ±${distance(accuracy)}`;
  return `${lat.toFixed(5)}, ${lng.toFixed(5)}${about}${at ? ` (${timeOf(at)})` : ""}`;
}

/** Cut after a word, if there is one to cut after. */
function shortened(text: string, most: number): string {
  const characters = [...text];
  if (characters.length <= most) return text;
  const start = characters.slice(0, most - 1).join("");
  return `${start.replace(/(?<=.{20})\s+\S*$/s, "")}…`;
}
