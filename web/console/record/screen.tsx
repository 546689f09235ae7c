/** The record: every change of an agency, or of the administrators, who made it, and the proof that it is whole. */
import type { Changelog, User } from "@mayday/client";
import { useMemo, useState } from "preact/hooks";
import { currentLanguage } from "../../ui/i18n.js";
import { PersonText } from "../../ui/text.js";
import { isAdmin, isOwner, type ScreenProps } from "../areas.js";
import { allOf, useLoad } from "../kit/load.js";
import { Empty, More, Page, Shown, When } from "../kit/parts.js";
import { go } from "../router.js";
import { state } from "../state.js";
import { type Entry, type FieldChange, type History, readHistory } from "./history.js";
import { Proof } from "./proof.js";
import { administratorsRecord, agencyRecord, KINDS, type Source } from "./source.js";
import { type RecordKey, t } from "./texts.js";
import { labelOf, textOf } from "./values.js";

export { catalogues } from "./texts.js";

const AGENCY = "/console/record";
const ADMINISTRATORS = "/console/record/administrators";

export function Screen({ path: [first], query }: ScreenProps) {
  const me = state.user as User;
  const isOfAdministrators = isAdmin(me) && (me.agencyId === null || first === "administrators");
  const userId = Number.parseInt(query.get("user") ?? "", 10);
  const source = isOfAdministrators ? administratorsRecord : agencyRecord(me.agencyId as number);
  return (
    <Page title={t("area.record")}>
      {isAdmin(me) && me.agencyId !== null && <Tabs isOfAdministrators={isOfAdministrators} />}
      {isOwner(me) && <Proof key={source.name} source={source} />}
      <Changes key={source.name} source={source} userId={Number.isNaN(userId) ? undefined : userId} />
    </Page>
  );
}

function Tabs({ isOfAdministrators }: { isOfAdministrators: boolean }) {
  return (
    <nav class="tabs" aria-label={t("record.whose")}>
      <a href={AGENCY} aria-current={isOfAdministrators ? undefined : "page"}>
        {t("record.of-agency")}
      </a>
      <a href={ADMINISTRATORS} aria-current={isOfAdministrators ? "page" : undefined}>
        {t("record.of-administrators")}
      </a>
    </nav>
  );
}

/** How many rows are shown at first, and added at the end of the list. */
const STEP = 100;

/**
 * The service has the oldest rows first, and what a row has changed follows from the rows before it. So all rows are
 * read, page by page, and the newest are shown.
 */
function Changes({ source, userId }: { source: Source; userId: number | undefined }) {
  const [count, setCount] = useState(0);
  const loaded = useLoad(`record/${source.name}`, KINDS, async (signal) => {
    const [people, rows] = await Promise.all([
      allOf((page) => source.people(page, { signal })),
      allOf((page) => source.record.list(page, { signal }), setCount),
    ]);
    return { people, rows };
  });
  return (
    <section class="stack" aria-labelledby="changes-title">
      <h2 id="changes-title">{t("record.changes")}</h2>
      {!loaded.data && count > 0 && <p class="faint tabular">{t("record.read", { n: count })}</p>}
      <Shown of={loaded}>{(data) => <List key={userId} {...data} userId={userId} />}</Shown>
    </section>
  );
}

function List({ people, rows, userId }: { people: User[]; rows: Changelog[]; userId: number | undefined }) {
  const [length, setLength] = useState(STEP);
  const history = useMemo(() => {
    const ofAgency = new Set(people.filter((user) => !isAdmin(user)).map(({ id }) => id));
    return readHistory(rows, (id) => ofAgency.has(id));
  }, [people, rows]);
  const names = useMemo(() => namesOf(people, history), [people, history]);
  const wanted = useMemo(
    () => (userId === undefined ? history.entries : history.entries.filter(({ row }) => row.userId === userId)),
    [history, userId],
  );
  // The console renders every second, but a row changes with its age at most.
  const minute = Math.floor(Date.now() / 60_000);
  const language = currentLanguage();
  const shown = useMemo(
    () =>
      wanted
        .slice(0, length)
        .map((entry) => (
          <Row key={entry.row.id} entry={entry} who={names.get(entry.row.userId) ?? ""} history={history} />
        )),
    [wanted, length, names, history, minute, language],
  );
  const more = {
    data: shown,
    readAt: 0,
    problem: undefined,
    hasMore: wanted.length > length,
    reload: () => undefined,
    more: () => setLength(length + STEP),
  };
  return (
    <>
      <div class="filters">
        <div>
          <label for="record-person">{t("record.who")}</label>
          <select id="record-person" value={String(userId ?? "")} onChange={choose}>
            <option value="">{t("record.everybody")}</option>
            {[...names].map(([id, name]) => (
              <option key={id} value={String(id)}>
                {name}
              </option>
            ))}
          </select>
        </div>
        <p class="faint tabular">{t("record.count", { n: wanted.length })}</p>
      </div>
      {wanted.length === 0 && <Empty>{t(userId === undefined ? "record.none" : "record.none-of-person")}</Empty>}
      <ol class="record">{shown}</ol>
      <More pages={more} />
    </>
  );
}

function choose({ currentTarget }: { currentTarget: HTMLSelectElement }): void {
  const { value } = currentTarget;
  go(location.pathname + (value && `?user=${value}`), { replace: true });
}

/** Everybody who is there, and who has changed something before they were deleted. */
function namesOf(people: User[], history: History): Map<number, string> {
  const names = new Map(people.map(({ id, firstName, lastName }) => [id, `${firstName} ${lastName}`]));
  for (const { row } of history.entries) {
    if (names.has(row.userId)) continue;
    const isService = row.userId === 0;
    const name = isService ? "Mayday" : history.nameIn("User", row.userId);
    names.set(row.userId, name || t("record.person", { n: String(row.userId) }));
  }
  return names;
}

const CLASSES: Record<Changelog["entityClass"], RecordKey> = {
  User: "record.class-user",
  Agency: "record.class-agency",
  Event: "record.class-event",
  Contact: "record.class-contact",
  Issue: "record.class-issue",
  Comment: "record.class-comment",
};
const TYPES: Record<Changelog["type"], RecordKey> = {
  insert: "record.inserted",
  update: "record.updated",
  delete: "record.deleted",
};

function Row({ entry, who, history }: { entry: Entry; who: string; history: History }) {
  const { row, name, fields, changes } = entry;
  // Mayday itself: the row is about what belongs to no agency.
  const isMayday = row.entityId === 0;
  return (
    <li>
      <p class="record-when">
        <When at={row.changedAt} />
        <span class="clamped">
          <PersonText>{who}</PersonText>
        </span>
      </p>
      <div class="record-what">
        <p class="clamped">
          <span class="faint">
            {t(TYPES[row.type])}
            {!isMayday && ` · ${t(CLASSES[row.entityClass])}`}
          </span>{" "}
          <strong>
            <PersonText>{name || (isMayday ? "Mayday" : t("record.number", { n: String(row.entityId) }))}</PersonText>
          </strong>
        </p>
        {row.type === "update" && changes.length === 0 && <p class="faint">{t("record.unchanged")}</p>}
        {changes.length > 0 && (
          <dl>
            {changes.map((change) => (
              <Difference key={change.field} change={change} history={history} />
            ))}
          </dl>
        )}
        {fields && <AllFields entry={entry} history={history} />}
      </div>
    </li>
  );
}

function Difference({ change, history }: { change: FieldChange; history: History }) {
  const { field, before, after } = change;
  return (
    <div>
      <dt>{labelOf(field)}</dt>
      <dd>
        {before !== undefined && (
          <del class="clamped">
            <span class="unseen">{t("record.before")} </span>
            <PersonText>{textOf(field, before, history)}</PersonText>
          </del>
        )}
        <ins class="clamped">
          {before !== undefined && <span class="unseen">{t("record.after")} </span>}
          <PersonText>{textOf(field, after, history)}</PersonText>
        </ins>
      </dd>
    </div>
  );
}

/** Whole, however long: they are put into the page only once somebody wants to see them. */
function AllFields({ entry, history }: { entry: Entry; history: History }) {
  const [isOpen, setOpen] = useState(false);
  const shown = Object.entries(entry.fields ?? {}).filter(([field]) => field !== "id" && field !== "agency");
  return (
    <details onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>{t("record.all-fields", { n: String(entry.row.id) })}</summary>
      {isOpen && (
        <dl>
          {shown.map(([field, value]) => (
            <div key={field}>
              <dt>{labelOf(field)}</dt>
              <dd>
                <PersonText>{textOf(field, value, history)}</PersonText>
              </dd>
            </div>
          ))}
        </dl>
      )}
    </details>
  );
}
