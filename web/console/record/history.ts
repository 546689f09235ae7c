/** Makes a record readable: what each row has changed, and the name of what it is about. */
import type { Changelog } from "@mayday/client";

export type Fields = Record<string, unknown>;

export interface FieldChange {
  field: string;
  /** Undefined where the record does not have it. */
  before: unknown;
  after: unknown;
}

export interface Entry {
  row: Changelog;
  /** Of what was changed, as it is called afterwards. Empty if the record does not say it. */
  name: string;
  /** All fields afterwards; undefined when it was deleted. */
  fields: Fields | undefined;
  /** Of an update: the fields that have changed. */
  changes: FieldChange[];
}

export interface History {
  /** Newest first. */
  entries: Entry[];
  /** The last known name: `nameIn("Event", 7)`. Empty if there is none. */
  nameIn(entityClass: Changelog["entityClass"], id: number): string;
}

/** The entity itself, what is the same in every row of it, what is for services only, and what `plan` says. */
const NO_CHANGES = new Set(["id", "agency", "timeCreated", "reportId", "hasPlan"]);

/** What was removed because of its age: each row says it anew, so it is no change of what an earlier one has said. */
const REMOVED = new Set([
  "removedChats",
  "removedMessages",
  "endedBefore",
  "removedGuests",
  "removedKnownEvents",
  "lastSeenBefore",
  "blankedBefore",
]);

/**
 * Reads a record, oldest row first. Rows of one entity need not have the same fields (an agency has its settings only
 * when they were changed), so each is compared with the last known value of each of its fields.
 *
 * `isOfAgency` says whether somebody works for the agency. Its record lacks its approval, which an administrator gives:
 * the next change of its own people shows that it was approved in between, but they have not approved it.
 */
export function readHistory(rows: Changelog[], isOfAgency: (userId: number) => boolean): History {
  const known = new Map<string, Fields>();
  const entries = rows.map((row): Entry => {
    const key = `${row.entityClass}/${row.entityId}`;
    const before = known.get(key);
    const fields = row.valueAfter === null ? undefined : parse(row.valueAfter);
    if (!fields) return { row, name: nameOf(before), fields, changes: [] };
    known.set(key, { ...before, ...fields });
    const changes: FieldChange[] = [];
    if (row.type === "update") {
      for (const [field, after] of Object.entries(fields)) {
        // Values of people are blanked when they are old enough, and nobody knows what they were.
        const isBlanked = before?.email === "" && before[field] === "";
        const earlier = REMOVED.has(field) || isBlanked ? undefined : before;
        if (NO_CHANGES.has(field) || (earlier && same(earlier[field], after))) continue;
        if (field === "approved" && isOfAgency(row.userId)) continue;
        changes.push({ field, before: earlier?.[field], after });
      }
    }
    return { row, name: nameOf(fields), fields, changes };
  });
  return { entries: entries.reverse(), nameIn: (entityClass, id) => nameOf(known.get(`${entityClass}/${id}`)) };
}

/** A row that does not hold an object is shown without fields: the proof says what is wrong with it. */
function parse(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
  } catch {
    return undefined;
  }
}

/** Forms send numbers as texts, and they are recorded as they were sent. */
function same(before: unknown, after: unknown): boolean {
  return comparable(before) === comparable(after);
}

function comparable(value: unknown): string {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value ?? "");
}

function nameOf(fields: Fields | undefined): string {
  if (!fields) return "";
  const { name, firstName, lastName, content } = fields;
  const person = [firstName, lastName].filter(Boolean).join(" ");
  return String(name || person || content || "");
}
