/** Whose record is shown. */
import type { Changelog, Page, PageQuery, ProvenChangelog, User, Verdict } from "@mayday/client";
import { api } from "../account.js";
import type { Kind } from "../kit/load.js";

export interface Source {
  /** For keys and names of files: "agency-4", "administrators". */
  name: string;
  record: {
    list(page: PageQuery, options: { signal: AbortSignal }): Promise<Page<Changelog>>;
    verify(options: { signal: AbortSignal }): Promise<Verdict>;
    chain(page: PageQuery): Promise<Page<ProvenChangelog>>;
  };
  /** Who may have changed something. */
  people(page: PageQuery, options: { signal: AbortSignal }): Promise<Page<User>>;
}

export const agencyRecord = (agencyId: number): Source => ({
  name: `agency-${agencyId}`,
  record: api.changelogs,
  people: (page, options) => api.users.list(page, options),
});

export const administratorsRecord: Source = {
  name: "administrators",
  record: api.admin.changelogs,
  people: (page, options) => api.admin.users.list(page, options),
};

/** Every change adds a row. */
export const KINDS: Kind[] = ["agency", "agencies", "changelogs", "comments", "contacts", "events", "issues", "users"];
