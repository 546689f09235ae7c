/** What the figures are of: an event, or all of them, and a span of time. The address says both. */
import type { AgencyEvent, Timestamp } from "@mayday/client";
import { phaseOf } from "../events/times.js";

export const SPANS = ["today", "day", "event", "custom"] as const;
export type Span = (typeof SPANS)[number];

export interface Choice {
  /** `undefined`: all events. */
  event: AgencyEvent | undefined;
  span: Span;
  /** Of a custom span. */
  from?: Timestamp;
  to?: Timestamp;
}

interface Query {
  eventId?: number;
  from: Timestamp;
  to: Timestamp;
}

const DAY_MS = 86_400_000;
/** The service tells no longer span. */
const LONGEST_MS = 31 * DAY_MS;

/** Without a choice it is the event that runs now, else all events today. */
export function choiceIn(query: URLSearchParams, events: AgencyEvent[], now: number): Choice {
  const wanted = query.get("event");
  const running = events.find((event) => phaseOf(event, now) === "running");
  const event = wanted === null ? running : events.find(({ id }) => String(id) === wanted);
  const standard = event ? "event" : "today";
  const named = SPANS.find((span) => span === query.get("span")) ?? standard;
  const span = named === "event" && !event ? "today" : named;
  const [from, to] = [timeIn(query.get("from")), timeIn(query.get("to"))];
  return { event, span, ...(from && { from }), ...(to && { to }) };
}

function timeIn(text: string | null): Timestamp | undefined {
  const time = new Date(text ?? "");
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}

export function addressOf({ event, span, from, to }: Choice): string {
  const query = new URLSearchParams({ event: event ? String(event.id) : "all", span });
  if (span === "custom" && from) query.set("from", from);
  if (span === "custom" && to) query.set("to", to);
  return `/console/figures?${query}`;
}

/** The span as it is now. Undefined when it is none: nothing has begun, or it would end before it begins. */
export function rangeOf(choice: Choice, now: number): { from: number; to: number } | undefined {
  const { span, event } = choice;
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  const spans: Record<Span, [number, number]> = {
    today: [midnight, now],
    day: [now - DAY_MS, now],
    event: event ? [Date.parse(event.timeStart), Math.min(now, Date.parse(event.timeEnd))] : [midnight, now],
    custom: [Date.parse(choice.from ?? ""), Date.parse(choice.to ?? "")],
  };
  const [from, to] = spans[span];
  if (!(from < to)) return undefined;
  return { from: Math.max(from, to - LONGEST_MS), to };
}

/** Whether there may be more to tell in a moment. */
export function isRunning(choice: Choice, now: number): boolean {
  const { span, event } = choice;
  if (span === "custom") return Date.parse(choice.to ?? "") > now;
  return span !== "event" || (event !== undefined && phaseOf(event, now) === "running");
}

export function queryOf(choice: Choice, now: number): Query | undefined {
  const range = rangeOf(choice, now);
  if (!range) return undefined;
  const [from, to] = [new Date(range.from).toISOString(), new Date(range.to).toISOString()];
  return { from, to, ...(choice.event && { eventId: choice.event.id }) };
}
