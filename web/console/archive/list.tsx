/** The archive: searched and filtered, newest first. */
import type { Chat, ChatFilter } from "@mayday/client";
import { useEffect, useRef } from "preact/hooks";
import { messenger } from "../account.js";
import { type Left, moveFocus, useKeys, useReturn } from "../kit/keys.js";
import { usePages } from "../kit/load.js";
import { EventOptions, type Names, useNames } from "../kit/names.js";
import { Empty, More, Page, Shown } from "../kit/parts.js";
import { nameOf } from "../person.js";
import { go } from "../router.js";
import { ChatRows } from "./row.js";
import { t } from "./texts.js";
import { withWords, wordsInAddress } from "./words.js";

/** Who types is asked for after a short pause only. */
const PAUSE_MS = 250;
/** The service searches for no longer text. */
const LONGEST = 200;

const FILTERS = ["event", "organizer", "person", "from", "to"] as const;
type Filter = (typeof FILTERS)[number];

export const left: Left = { address: "/console/archive" };

export function ArchiveList({ query }: { query: URLSearchParams }) {
  left.address = `/console/archive${location.search}${location.hash}`;
  const names = useNames();
  const search = wordsInAddress();
  const filter = filterOf(query, search);
  const key = `chats?${JSON.stringify(filter)}`;
  const chats = usePages(key, [], (page, signal) => messenger.chats({ ...filter, ...page }, { signal }));
  // While somebody types, what was found before stays until the next is there.
  const before = useRef<Chat[]>(undefined);
  if (chats.data) before.current = chats.data;
  const shown = chats.problem ? chats : { ...chats, data: chats.data ?? before.current };
  useKeys({
    arrowdown: () => moveFocus(".entry a", 1),
    arrowup: () => moveFocus(".entry a", -1),
    "/": () => document.getElementById("archive-q")?.focus(),
  });
  return (
    <Page title={t("area.archive")}>
      <Filters query={query} search={search} names={names} person={query.has("person") ? chats.data?.[0] : undefined} />
      <Shown of={shown}>
        {(items) =>
          items.length === 0 ? (
            <Empty>{t(hasFilter(query, search) ? "archive.none-found" : "archive.none")}</Empty>
          ) : (
            <Rows chats={items} names={names} search={search} isOld={chats.data === undefined} />
          )
        }
      </Shown>
      <More pages={chats} />
    </Page>
  );
}

function Rows({ chats, names, search, isOld }: { chats: Chat[]; names: Names; search: string; isOld: boolean }) {
  useReturn(left);
  return (
    <div class={isOld ? "old" : ""} aria-busy={isOld}>
      <ChatRows chats={chats} names={names} search={search} />
    </div>
  );
}

function filterOf(query: URLSearchParams, q: string): ChatFilter {
  const id = (filter: Filter) => Number(query.get(filter)) || undefined;
  const [eventId, organizerId, participantId] = [id("event"), id("organizer"), id("person")];
  const [from, to] = [startOf(query.get("from")), startOf(query.get("to"), 1)];
  return {
    ...(q && { q: q.slice(0, LONGEST) }),
    ...(eventId && { eventId }),
    ...(organizerId && { organizerId }),
    ...(participantId && { participantId }),
    ...(from && { from }),
    ...(to && { to }),
  };
}

/** When a day begins here, or one so many days later. The service's periods do not have their end. */
function startOf(day: string | null, later = 0): string | undefined {
  const [, year, month, date] = /^(\d{4})-(\d\d)-(\d\d)$/.exec(day ?? "") ?? [];
  if (!year) return undefined;
  return new Date(Number(year), Number(month) - 1, Number(date) + later).toISOString();
}

function hasFilter(query: URLSearchParams, search: string): boolean {
  return search !== "" || FILTERS.some((name) => query.get(name));
}

function set(name: Filter, value: string): void {
  const query = new URLSearchParams(location.search);
  if (value) query.set(name, value);
  else query.delete(name);
  show(query, wordsInAddress());
}

function show(query: URLSearchParams, search: string): void {
  const address = query.size ? `/console/archive?${query}` : "/console/archive";
  go(withWords(address, search), { replace: true });
}

interface FiltersProps {
  query: URLSearchParams;
  search: string;
  names: Names;
  /** One of the chats of the only person whose chats are shown. */
  person: Chat | undefined;
}

function Filters({ query, search, names, person }: FiltersProps) {
  const value = (name: Filter) => query.get(name) ?? "";
  return (
    <search class="archive-filters">
      <Search value={search} />
      <div>
        <label for="archive-event">{t("person.event")}</label>
        <select
          id="archive-event"
          value={value("event")}
          onChange={({ currentTarget }) => set("event", currentTarget.value)}
        >
          <option value="">{t("archive.all-events")}</option>
          <EventOptions names={names} />
        </select>
      </div>
      <div>
        <label for="archive-organizer">{t("archive.organizer")}</label>
        <select
          id="archive-organizer"
          value={value("organizer")}
          onChange={({ currentTarget }) => set("organizer", currentTarget.value)}
        >
          <option value="">{t("archive.all-organizers")}</option>
          {names.users
            ?.filter(({ role }) => role >= 2)
            .map(({ id, firstName, lastName }) => (
              <option key={id} value={id} dir="auto">
                {`${firstName} ${lastName}`}
              </option>
            ))}
        </select>
      </div>
      <Day name="from" label={t("archive.from")} value={value("from")} />
      <Day name="to" label={t("archive.to")} value={value("to")} />
      {hasFilter(query, search) && (
        <p class="archive-chosen row">
          {value("person") &&
            (person ? t("archive.of-person", { name: nameOf({ chat: person }) }) : t("archive.of-one"))}
          <button type="button" onClick={() => go("/console/archive", { replace: true })}>
            {t("archive.clear")}
          </button>
        </p>
      )}
    </search>
  );
}

function Search({ value }: { value: string }) {
  const field = useRef<HTMLInputElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  useEffect(() => {
    // Who types is ahead of the address.
    if (field.current && document.activeElement !== field.current) field.current.value = value;
  }, [value]);
  const search = () => {
    clearTimeout(timer.current);
    show(new URLSearchParams(location.search), field.current?.value.trim() ?? "");
  };
  const searchSoon = () => {
    clearTimeout(timer.current);
    timer.current = setTimeout(search, PAUSE_MS);
  };
  return (
    <div class="archive-search">
      <label for="archive-q">
        {t("archive.search")} <kbd>/</kbd>
      </label>
      <input
        ref={field}
        id="archive-q"
        type="search"
        dir="auto"
        autocomplete="off"
        maxLength={LONGEST}
        defaultValue={value}
        onInput={searchSoon}
        onKeyDown={(key) => {
          if (key.key === "Enter") search();
          else if (key.key === "ArrowDown") moveFocus(".entry a", 1);
        }}
      />
    </div>
  );
}

function Day({ name, label, value }: { name: "from" | "to"; label: string; value: string }) {
  return (
    <div>
      <label for={`archive-${name}`}>{label}</label>
      <input
        id={`archive-${name}`}
        type="date"
        value={value}
        onChange={({ currentTarget }) => set(name, currentTarget.value)}
      />
    </div>
  );
}
