/** Without an event: a search, and what is near. */
import type { PublicEvent } from "@mayday/client";
import { announce } from "../ui/announce.js";
import { distance, t } from "../ui/i18n.js";
import { Icon } from "../ui/icon.js";
import { PersonText } from "../ui/text.js";
import { locate, metresBetween } from "./location.js";
import { device, isOpen, state, update } from "./state.js";

const TYPING_MS = 300;
const RETRY_MS = 5000;
const MOST = 30;

let searching = new AbortController();
/** Of the next search. */
let timer: ReturnType<typeof setTimeout> | undefined;

/** Searches for what was entered last, and gives up what was searched for before. */
export async function search(): Promise<void> {
  clearTimeout(timer);
  searching.abort();
  searching = new AbortController();
  const { signal } = searching;
  const { query } = state.find;
  try {
    await device.account.ensure();
    const events = await device.account.api.events(query ? { query } : {}, { signal });
    update({ find: { ...state.find, events } });
    if (query) announce(t("find.found", { n: events.length }));
  } catch {
    if (signal.aborted) return;
    update({ find: { ...state.find, events: "unavailable" } });
    timer = setTimeout(() => state.eventId || search(), RETRY_MS);
  }
}

function enter(query: string): void {
  update({ find: { ...state.find, query } });
  clearTimeout(timer);
  timer = setTimeout(search, TYPING_MS);
}

async function findNear(): Promise<void> {
  const near = await locate();
  update({ find: { ...state.find, ...(near && { near }), noPosition: !near } });
}

export function FindScreen() {
  const { query, events, near, noPosition } = state.find;
  return (
    <>
      <h1>{t("find.title")}</h1>
      {state.event === "unknown" && <p class="notice">{t("event.unknown")}</p>}
      <p>{t("find.hint")}</p>
      <search class="stack">
        <div>
          <label for="find">{t("find.label")}</label>
          <input
            id="find"
            type="search"
            dir="auto"
            value={query}
            onInput={(input) => enter(input.currentTarget.value)}
          />
        </div>
        <button type="button" onClick={findNear}>
          <Icon name="pin" />
          {t("find.near")}
        </button>
      </search>
      <p role="status">{noPosition ? t("find.no-position") : near && t("find.nearest")}</p>
      {events === "unavailable" ? (
        <p class="notice">{t("find.unavailable")}</p>
      ) : events?.length === 0 ? (
        <p>{t("find.none")}</p>
      ) : (
        events && <EventList events={events} />
      )}
    </>
  );
}

function EventList({ events }: { events: PublicEvent[] }) {
  const { near } = state.find;
  const sorted = near ? [...events].sort((a, b) => metresBetween(near, a) - metresBetween(near, b)) : events;
  return (
    <ul class="events">
      {sorted.slice(0, MOST).map((event) => (
        <li key={event.id}>
          <a href={`/help/${event.id}`}>
            <strong>
              <PersonText>{event.name}</PersonText>
            </strong>
            <PersonText>{event.address}</PersonText>
            {near && <span class="faint"> {distance(metresBetween(near, event))}</span>}
            {state.presses.presses.some((press) => press.eventId === event.id && isOpen(press)) && (
              <p class="row">
                <Icon name="clock" />
                {t("find.open")}
              </p>
            )}
          </a>
        </li>
      ))}
    </ul>
  );
}
