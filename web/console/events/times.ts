/** Times of events. The service speaks UTC, and people speak the time zone that their browser is in. */
import type { AgencyEvent, Timestamp } from "@mayday/client";
import { currentLocale } from "../../ui/i18n.js";

export type Phase = "running" | "coming" | "past";

export function phaseOf({ timeStart, timeEnd }: AgencyEvent, now: number): Phase {
  if (now < Date.parse(timeStart)) return "coming";
  return now <= Date.parse(timeEnd) ? "running" : "past";
}

/** "2026-07-03T18:00", as a field of the browser has it, in its zone. */
export function localOf(at: Timestamp): string {
  const time = new Date(at);
  if (Number.isNaN(time.getTime())) return "";
  const two = (value: number) => String(value).padStart(2, "0");
  const date = `${String(time.getFullYear()).padStart(4, "0")}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${date}T${two(time.getHours())}:${two(time.getMinutes())}`;
}

/** The moment that a field means. Where clocks are put forward, some times of day do not exist: "skipped". */
export function momentOf(local: string): Timestamp | "skipped" | undefined {
  const time = new Date(local);
  if (!local || Number.isNaN(time.getTime())) return undefined;
  const moment = time.toISOString();
  return localOf(moment) === local.slice(0, 16) ? moment : "skipped";
}

/** "Europe/Warsaw, UTC+2", from left to right in every language. */
export function zoneAt(moment: Timestamp = new Date().toISOString()): string {
  const format = new Intl.DateTimeFormat("en", { timeZoneName: "shortOffset" });
  const offset = format.formatToParts(new Date(moment)).find(({ type }) => type === "timeZoneName")?.value ?? "";
  const { timeZone } = format.resolvedOptions();
  return `\u2066${timeZone === "UTC" ? timeZone : `${timeZone}, ${offset.replace("GMT", "UTC")}`}\u2069`;
}

/** "3 Jul 2026, 16:00 UTC". */
export function utcOf(moment: Timestamp): string {
  const style = { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" } as const;
  return `${new Intl.DateTimeFormat(currentLocale(), style).format(new Date(moment))} UTC`;
}

/** "3 Jul 2026, 18:00 – 23:00". */
export function spanOf({ timeStart, timeEnd }: Pick<AgencyEvent, "timeStart" | "timeEnd">): string {
  const format = new Intl.DateTimeFormat(currentLocale(), { dateStyle: "medium", timeStyle: "short" });
  const [start, end] = [new Date(timeStart), new Date(timeEnd)];
  if (start <= end) return format.formatRange(start, end);
  return `${format.format(start)} – ${format.format(end)}`;
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
];

/** "in 3 days", "2 hours ago". */
export function distanceTo(moment: Timestamp, now: number): string {
  const left = Date.parse(moment) - now;
  const format = new Intl.RelativeTimeFormat(currentLocale());
  const step = STEPS.find(([, milliseconds]) => Math.abs(left) >= milliseconds);
  return step ? format.format(Math.trunc(left / step[1]), step[0]) : format.format(0, "minute");
}
