/** Fields and their values, in words. */
import type { Role } from "@mayday/client";
import { currentLocale, number } from "../../ui/i18n.js";
import { roleName } from "../people/role.js";
import type { History } from "./history.js";
import { type RecordKey, t } from "./texts.js";

const LABELS: Record<string, RecordKey> = {
  name: "record.name",
  description: "record.description",
  address: "record.address",
  website: "record.website",
  approved: "record.approved",
  maxOpenChats: "record.most-chats",
  removedChats: "record.removed-chats",
  removedMessages: "record.removed-messages",
  endedBefore: "record.ended-before",
  removedGuests: "record.removed-guests",
  removedKnownEvents: "record.removed-events",
  lastSeenBefore: "record.last-seen-before",
  blankedBefore: "record.blanked-before",
  helpPhoneNumber: "record.help-phone",
  lat: "record.latitude",
  lng: "record.longitude",
  timeStart: "record.starts",
  timeEnd: "record.ends",
  firstName: "record.first-name",
  lastName: "record.last-name",
  email: "record.email",
  phoneNumber: "record.phone",
  role: "record.role",
  hasSecondFactor: "record.second-factor",
  timeSignOut: "record.signed-out",
  timeCreated: "record.created",
  agencyId: "record.agency",
  additionalNotes: "record.notes",
  eventId: "record.event",
  issueId: "record.incident",
  authorId: "record.author",
  status: "record.status",
  priority: "record.priority",
  timeClosed: "record.closed",
  content: "record.text",
  hasPlan: "record.has-plan",
  plan: "record.plan",
};

const WORDS: Record<string, RecordKey> = {
  to_do: "record.to-do",
  in_progress: "record.in-progress",
  resolved: "record.resolved",
  cancelled: "record.cancelled",
  low: "record.low",
  medium: "record.medium",
  high: "record.high",
};

const REFERENCES = { eventId: "Event", issueId: "Issue", authorId: "User", agencyId: "Agency" } as const;

/** The service may know fields that this page does not. */
export function labelOf(field: string): string {
  const key = LABELS[field];
  return key ? t(key) : field;
}

export function textOf(field: string, value: unknown, history: History): string {
  if (value === null || value === undefined || value === "") return t("record.nothing");
  if (typeof value === "boolean") return t(value ? "record.yes" : "record.no");
  if (field === "role") return roleName(Number(value) as Role);
  if (field in REFERENCES) {
    const name = history.nameIn(REFERENCES[field as keyof typeof REFERENCES], Number(value));
    return name || t("record.number", { n: String(value) });
  }
  if (field === "status" || field === "priority") {
    const key = WORDS[String(value)];
    if (key) return t(key);
  }
  if (field.startsWith("time") || field.endsWith("Before")) return timeOf(String(value));
  if (typeof value === "number") return sixDigits(value);
  if (field === "plan") return planText(value as Record<string, unknown>);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function planText({ sha256, north, south, west, east }: Record<string, unknown>): string {
  const edges = { north, south, west, east };
  const values = Object.entries(edges).map(([edge, value]) => [edge, sixDigits(Number(value))]);
  return t("record.plan-is", { hash: String(sha256), ...Object.fromEntries(values) });
}

const sixDigits = (value: number) => number(value, { maximumFractionDigits: 6 });

function timeOf(value: string): string {
  const time = new Date(value);
  if (Number.isNaN(time.getTime())) return value;
  return new Intl.DateTimeFormat(currentLocale(), { dateStyle: "medium", timeStyle: "medium" }).format(time);
}
