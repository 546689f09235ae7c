/** The list of incidents: what is open comes first, the most urgent of it on top. */
import type { Comment, Issue } from "@mayday/client";
import { useMemo, useState } from "preact/hooks";
import { currentLanguage, number } from "../../ui/i18n.js";
import { PersonText } from "../../ui/text.js";
import { api } from "../account.js";
import { type Left, moveFocus, useKeys, useReturn } from "../kit/keys.js";
import { allOf, type Pages, useLoad } from "../kit/load.js";
import { EventName, EventOptions, type Names, UserName, useNames } from "../kit/names.js";
import { Empty, More, Page, Shown, When } from "../kit/parts.js";
import { go } from "../router.js";
import { isOpen, PRIORITIES, Priority, Status, useRereading } from "./parts.js";
import { type IncidentKey, t } from "./texts.js";

/** As many comments as a page of the service may have. */
const PAGE = 500;
/** As many rows as a tall screen shows, and some. */
const ROWS = 60;

const FILTERS: Record<string, { text: IncidentKey; has(issue: Issue): boolean }> = {
  open: { text: "incidents.open", has: isOpen },
  to_do: { text: "incidents.to-do", has: ({ status }) => status === "to_do" },
  in_progress: { text: "incidents.in-progress", has: ({ status }) => status === "in_progress" },
  resolved: { text: "incidents.resolved", has: ({ status }) => status === "resolved" },
  cancelled: { text: "incidents.cancelled", has: ({ status }) => status === "cancelled" },
  all: { text: "incidents.all", has: () => true },
};

export const left: Left = { address: "/console/incidents" };

export function IncidentList({ query }: { query: URLSearchParams }) {
  const wanted = query.get("state") ?? "";
  const state = Object.hasOwn(FILTERS, wanted) ? wanted : "open";
  const eventId = Number(query.get("event")) || undefined;
  left.address = addressOf(state, eventId);
  const names = useNames();
  const issues = useLoad(`issues/${eventId}`, ["issues"], (signal) => readIssues(eventId, signal));
  const comments = useLoad("comments", ["comments"], (signal) => readCounts(signal));
  useRereading(issues.reload);
  useRereading(comments.reload, 60_000);
  useKeys({
    arrowdown: () => moveFocus(".entry a", 1),
    arrowup: () => moveFocus(".entry a", -1),
    n: () => go(addressOfNew(eventId)),
  });
  return (
    <Page
      title={t("area.incidents")}
      actions={
        <a class="button strong" href={addressOfNew(eventId)} aria-keyshortcuts="N">
          {t("incidents.new")}
          <kbd>N</kbd>
        </a>
      }
    >
      <div class="incident-filters">
        <States chosen={state} issues={issues.data} choose={(state) => filter(state, eventId)} />
        <select
          aria-label={t("person.event")}
          value={eventId ?? ""}
          onChange={({ currentTarget }) => filter(state, Number(currentTarget.value) || undefined)}
        >
          <option value="">{t("incidents.all-events")}</option>
          <EventOptions names={names} />
        </select>
      </div>
      <Shown of={issues}>
        {(all) => (
          <Rows
            key={`${state}/${eventId}`}
            issues={all}
            state={state}
            counts={comments.data}
            names={names}
            hasEvent={eventId !== undefined}
          />
        )}
      </Shown>
    </Page>
  );
}

function addressOf(state: string, eventId: number | undefined): string {
  const query = new URLSearchParams({
    ...(state !== "open" && { state }),
    ...(eventId && { event: String(eventId) }),
  });
  return query.size ? `/console/incidents?${query}` : "/console/incidents";
}

function addressOfNew(eventId: number | undefined): string {
  return `/console/incidents/new${eventId ? `?event=${eventId}` : ""}`;
}

function filter(state: string, eventId: number | undefined): void {
  go(addressOf(state, eventId), { replace: true });
}

interface StatesProps {
  chosen: string;
  issues: Issue[] | undefined;
  choose(state: string): void;
}

function States({ chosen, issues, choose }: StatesProps) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset cannot wrap its buttons
    <div class="incident-states" role="group" aria-label={t("incidents.state")}>
      {Object.entries(FILTERS).map(([state, { text, has }]) => (
        <button key={state} type="button" aria-pressed={state === chosen} onClick={() => choose(state)}>
          {t(text)}
          {issues && <span class="tabular">{number(issues.filter(has).length)}</span>}
        </button>
      ))}
    </div>
  );
}

interface RowsProps {
  issues: Issue[];
  state: string;
  counts: Counts | undefined;
  names: Names;
  hasEvent: boolean;
}

function Rows({ issues, state, counts, names, hasEvent }: RowsProps) {
  const [shown, setShown] = useState(ROWS);
  const chosen = useMemo(() => issues.filter((issue) => FILTERS[state]?.has(issue)).sort(byUrgency), [issues, state]);
  const minute = Math.floor(Date.now() / 60_000);
  const language = currentLanguage();
  // The page renders every second, and these rows need not.
  const rows = useMemo(
    () =>
      chosen
        .slice(0, shown)
        .map((issue) => <Row key={issue.id} issue={issue} names={names} comments={counts?.of(issue)} />),
    [chosen, shown, names, counts, minute, language],
  );
  useReturn(left);
  if (chosen.length === 0) return <Empty>{t(emptyText(state, issues.length === 0 && !hasEvent))}</Empty>;
  const pages: Pages<unknown> = {
    ...{ data: rows, hasMore: shown < chosen.length, more: () => setShown(shown + ROWS) },
    ...{ readAt: 0, problem: undefined, reload: () => {} },
  };
  return (
    <>
      <ol class="entries">{rows}</ol>
      <More pages={pages} />
    </>
  );
}

function emptyText(state: string, isFirst: boolean): IncidentKey {
  if (isFirst) return "incidents.none";
  return state === "open" ? "incidents.none-open" : "incidents.none-found";
}

function Row({ issue, names, comments }: { issue: Issue; names: Names; comments: number | undefined }) {
  const { id, name, status, priority, timeCreated, authorId, eventId } = issue;
  return (
    <li class={`entry incident ${isOpen(issue) ? "" : "closed"}`}>
      <Priority of={priority} />
      <a id={`incident-${id}`} class="entry-name" href={`/console/incidents/${id}`}>
        <PersonText>{name}</PersonText>
      </a>
      <Status of={status} />
      <span class="entry-event faint">
        <EventName names={names} id={eventId} />
      </span>
      <span class="entry-author faint">
        <UserName names={names} id={authorId} />
      </span>
      <span class="entry-count tabular faint">{comments ? t("incidents.comment-count", { n: comments }) : ""}</span>
      <span class="entry-age faint">
        <When at={timeCreated} />
      </span>
    </li>
  );
}

const URGENCY = Object.keys(PRIORITIES);

/** What is open first, by its priority; then what is newest. */
function byUrgency(a: Issue, b: Issue): number {
  const urgency = (issue: Issue) => (isOpen(issue) ? URGENCY.indexOf(issue.priority) : URGENCY.length);
  return urgency(a) - urgency(b) || b.id - a.id;
}

/** The service lists the oldest first, and knows no filter by state: all of them are read. */
function readIssues(eventId: number | undefined, signal: AbortSignal): Promise<Issue[]> {
  return allOf((page) => api.issues.list({ ...page, ...(eventId && { eventId }) }, { signal }));
}

interface Counts {
  /** Undefined where the number is not known. */
  of(issue: Issue): number | undefined;
}

/** The newest comments of the agency: all comments of every incident that is younger than the oldest of these. */
async function readCounts(signal: AbortSignal): Promise<Counts> {
  const { items, next } = await api.comments.list({ limit: PAGE }, { signal });
  const counts = new Map<number, number>();
  for (const { issueId } of items) counts.set(issueId, (counts.get(issueId) ?? 0) + 1);
  const known = next ? timeOfOldest(items) : 0;
  return { of: ({ id, timeCreated }) => (Date.parse(timeCreated) > known ? (counts.get(id) ?? 0) : undefined) };
}

function timeOfOldest(comments: Comment[]): number {
  return Math.min(...comments.map(({ timeCreated }) => Date.parse(timeCreated)));
}
