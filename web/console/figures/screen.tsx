/** Figures: how many have pressed for help, how long they waited, and who has answered. */
import type { AgencyEvent, Statistics } from "@mayday/client";
import { useEffect, useRef } from "preact/hooks";
import { currentLocale } from "../../ui/i18n.js";
import { messenger } from "../account.js";
import type { ScreenProps } from "../areas.js";
import { allEvents } from "../events/all.js";
import { localOf, type Phase, phaseOf, zoneAt } from "../events/times.js";
import { useLoad } from "../kit/load.js";
import { Empty, Page, Shown } from "../kit/parts.js";
import { go } from "../router.js";
import { clockOf } from "../texts.js";
import { addressOf, type Choice, choiceIn, isRunning, queryOf, rangeOf, SPANS, type Span } from "./choice.js";
import { Figures } from "./figures.js";
import { t } from "./texts.js";

export { catalogues } from "./texts.js";

const REFRESH_MS = 15_000;

export function Screen({ query }: ScreenProps) {
  const events = useLoad("events", ["events"], allEvents);
  return (
    <Page title={t("area.figures")}>
      <Shown of={events}>{(events) => <Chosen events={events} choice={choiceIn(query, events, Date.now())} />}</Shown>
    </Page>
  );
}

function Chosen({ events, choice }: { events: AgencyEvent[]; choice: Choice }) {
  const loaded = useLoad<Statistics | null>(addressOf(choice), [], async (signal) => {
    const query = queryOf(choice, Date.now());
    return query ? await messenger.statistics(query, { signal }) : null;
  });
  const runs = isRunning(choice, Date.now());
  const reload = useRef(loaded.reload);
  reload.current = loaded.reload;
  useEffect(() => {
    if (!runs) return;
    const timer = setInterval(() => document.hidden || reload.current(), REFRESH_MS);
    return () => clearInterval(timer);
  }, [runs]);
  return (
    <>
      <Choices events={events} choice={choice} />
      <Shown of={loaded}>
        {(statistics) =>
          statistics ? (
            <>
              <p class="faint">
                {rangeText(statistics)} · {zoneAt(statistics.from)} ·{" "}
                <span class="tabular">{t("figures.as-of", { time: clockOf(loaded.readAt) })}</span>
                {runs && ` · ${t("figures.refreshes")}`}
              </p>
              <Figures statistics={statistics} event={choice.event} />
            </>
          ) : (
            <Empty>{t(choice.span === "custom" ? "figures.no-span" : "figures.not-begun")}</Empty>
          )
        }
      </Shown>
    </>
  );
}

function rangeText({ from, to }: Statistics): string {
  const format = new Intl.DateTimeFormat(currentLocale(), { dateStyle: "medium", timeStyle: "short" });
  return format.formatRange(new Date(from), new Date(to));
}

const SPAN_LABELS = {
  today: "figures.today",
  day: "figures.day",
  event: "figures.event-span",
  custom: "figures.custom",
} as const;

const PHASES: [Phase, "figures.running" | "figures.coming" | "figures.past"][] = [
  ["running", "figures.running"],
  ["past", "figures.past"],
  ["coming", "figures.coming"],
];

function Choices({ events, choice }: { events: AgencyEvent[]; choice: Choice }) {
  const { event, span } = choice;
  const choose = (change: Partial<Choice>) => go(addressOf({ ...choice, ...change }), { replace: true });
  const chooseEvent = (id: string) => {
    const chosen = events.find((event) => String(event.id) === id);
    const fitting: Span = span === "custom" ? "custom" : chosen ? "event" : "today";
    choose({ event: chosen, span: fitting });
  };
  const chooseSpan = (span: Span) => {
    // A custom span begins as the one that was shown.
    const range = rangeOf(choice, Date.now());
    const times = range && { from: new Date(range.from).toISOString(), to: new Date(range.to).toISOString() };
    choose({ span, ...(span === "custom" && times) });
  };
  const now = Date.now();
  return (
    <div class="filters">
      <div class="field figures-event">
        <label for="figures-event">{t("figures.event")}</label>
        <select id="figures-event" onChange={({ currentTarget }) => chooseEvent(currentTarget.value)}>
          <option value="all" selected={!event}>
            {t("figures.all-events")}
          </option>
          {PHASES.map(([phase, label]) => {
            const group = events.filter((event) => phaseOf(event, now) === phase);
            return group.length === 0 ? null : (
              <optgroup key={phase} label={t(label)}>
                {group.sort(byStart).map(({ id, name }) => (
                  <option key={id} value={String(id)} selected={id === event?.id}>
                    {name}
                  </option>
                ))}
              </optgroup>
            );
          })}
        </select>
      </div>
      <div class="field">
        <label for="figures-span">{t("figures.span")}</label>
        <select id="figures-span" onChange={({ currentTarget }) => chooseSpan(currentTarget.value as Span)}>
          {SPANS.filter((span) => span !== "event" || event).map((choice) => (
            <option key={choice} value={choice} selected={choice === span}>
              {t(SPAN_LABELS[choice])}
            </option>
          ))}
        </select>
      </div>
      {span === "custom" && (
        <>
          <Time id="figures-from" label={t("figures.from")} at={choice.from} onChoose={(from) => choose({ from })} />
          <Time id="figures-to" label={t("figures.to")} at={choice.to} onChoose={(to) => choose({ to })} />
        </>
      )}
    </div>
  );
}

/** The newest first. */
const byStart = (a: AgencyEvent, b: AgencyEvent) => Date.parse(b.timeStart) - Date.parse(a.timeStart);

interface TimeProps {
  id: string;
  label: string;
  at: string | undefined;
  onChoose(at: string): void;
}

function Time({ id, label, at, onChoose }: TimeProps) {
  const choose = (local: string) => {
    const time = new Date(local);
    // A time that is being typed is none yet.
    if (!Number.isNaN(time.getTime()) && time.getFullYear() >= 2000) onChoose(time.toISOString());
  };
  return (
    <div class="field figures-time">
      <label for={id}>{label}</label>
      <input
        id={id}
        {...{ type: "datetime-local" }}
        defaultValue={at && localOf(at)}
        onChange={({ currentTarget }) => choose(currentTarget.value)}
      />
    </div>
  );
}
