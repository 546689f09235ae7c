/** All events of the agency: what runs now comes first, and what is past last. */
import type { AgencyEvent } from "@mayday/client";
import { useMemo, useState } from "preact/hooks";
import { currentLanguage, number } from "../../ui/i18n.js";
import { PersonText } from "../../ui/text.js";
import { type Left, moveFocus, useKeys, useReturn } from "../kit/keys.js";
import { type Pages, useLoad } from "../kit/load.js";
import { Empty, More, Page, Shown } from "../kit/parts.js";
import { go } from "../router.js";
import { allEvents } from "./all.js";
import { t } from "./texts.js";
import { distanceTo, type Phase, phaseOf, spanOf, zoneAt } from "./times.js";

/** A short list is seen at a glance. */
const SEARCHED = 8;

export const left: Left = { address: "/console/events" };

export function EventList({ query, mayEdit }: { query: URLSearchParams; mayEdit: boolean }) {
  const loaded = useLoad("events", ["events"], allEvents);
  const wanted = query.get("q") ?? "";
  left.address = addressOf(wanted);
  useKeys({
    arrowdown: () => moveFocus(".entry-name", 1),
    arrowup: () => moveFocus(".entry-name", -1),
    ...(mayEdit && { n: () => go("/console/events/new") }),
  });
  return (
    <Page
      title={t("area.events")}
      actions={
        mayEdit && (
          <a class="button strong" href="/console/events/new" aria-keyshortcuts="N">
            {t("events.new")}
            <kbd>N</kbd>
          </a>
        )
      }
    >
      <Shown of={loaded}>
        {(events) =>
          events.length === 0 ? (
            <Empty>{t(mayEdit ? "events.none" : "events.none-yet")}</Empty>
          ) : (
            <>
              {(events.length > SEARCHED || wanted) && (
                <div class="filters">
                  <div class="field event-search">
                    <label for="event-search">{t("events.search")}</label>
                    <input
                      id="event-search"
                      type="search"
                      dir="auto"
                      autocomplete="off"
                      value={wanted}
                      onInput={({ currentTarget }) => go(addressOf(currentTarget.value), { replace: true })}
                    />
                  </div>
                </div>
              )}
              <Phases events={events} wanted={wanted} />
            </>
          )
        }
      </Shown>
      <p class="faint">{t("events.zone", { zone: zoneAt() })}</p>
    </Page>
  );
}

function addressOf(wanted: string): string {
  return `/console/events${wanted ? `?${new URLSearchParams({ q: wanted })}` : ""}`;
}

const PHASES = { running: "events.running", coming: "events.coming", past: "events.past" } as const;
const ROWS = 100;

function Phases({ events, wanted }: { events: AgencyEvent[]; wanted: string }) {
  const [shown, setShown] = useState(ROWS);
  // The page is rendered every second, and this list changes with the minute.
  const minute = Math.floor(Date.now() / 60_000);
  const language = currentLanguage();
  useReturn(left);
  return useMemo(() => {
    const now = Date.now();
    const found = events.filter((event) => isFound(event, wanted)).sort(byStart);
    if (found.length === 0) return <Empty>{t("events.not-found", { text: wanted })}</Empty>;
    const of = (phase: Phase) => found.filter((event) => phaseOf(event, now) === phase);
    const groups = { running: of("running"), coming: of("coming"), past: of("past").reverse() };
    let room = shown;
    const sections = Object.entries(groups).map(([phase, events]) => {
      const rows = events.slice(0, Math.max(0, room));
      room -= events.length;
      return rows.length === 0 ? null : (
        <section key={phase} class="events">
          <h2>
            {t(PHASES[phase as Phase])} <span class="faint tabular">{number(events.length)}</span>
          </h2>
          <ul>
            {rows.map((event) => (
              <Row key={event.id} event={event} now={now} />
            ))}
          </ul>
        </section>
      );
    });
    const pages: Pages<unknown> = {
      ...{ data: found.slice(0, shown), hasMore: shown < found.length, more: () => setShown(shown + ROWS) },
      ...{ readAt: now, problem: undefined, reload: () => undefined },
    };
    return (
      <>
        {sections}
        <More pages={pages} />
      </>
    );
  }, [events, wanted, minute, language, shown]);
}

function isFound({ name, address }: AgencyEvent, wanted: string): boolean {
  const text = `${name}\n${address}`.toLocaleLowerCase();
  return wanted
    .toLocaleLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

const byStart = (a: AgencyEvent, b: AgencyEvent) => Date.parse(a.timeStart) - Date.parse(b.timeStart) || a.id - b.id;

function Row({ event, now }: { event: AgencyEvent; now: number }) {
  const address = `/console/events/${event.id}`;
  const posterLabel = t("events.poster-of", { name: event.name });
  return (
    <li class="entry event">
      <div class="grow">
        <p class="cut">
          <a
            id={`event-${event.id}`}
            class="entry-name"
            href={address}
            onClick={() => (left.row = `event-${event.id}`)}
          >
            <PersonText>{event.name}</PersonText>
          </a>
        </p>
        <p class="cut faint">
          <PersonText>{event.address}</PersonText>
        </p>
      </div>
      <div>
        <p class="tabular">{spanOf(event)}</p>
        <p class="faint">{phaseText(event, now)}</p>
      </div>
      <a class="button plain event-poster" href={`${address}/poster`} aria-label={posterLabel}>
        {t("events.poster")}
      </a>
    </li>
  );
}

/** "Ends in 3 hours". */
export function phaseText(event: AgencyEvent, now: number): string {
  const phase = phaseOf(event, now);
  if (phase === "coming") return t("events.starts", { distance: distanceTo(event.timeStart, now) });
  const distance = distanceTo(event.timeEnd, now);
  return phase === "running" ? t("events.ends", { distance }) : t("events.ended", { distance });
}
