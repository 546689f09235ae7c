import type { AgencyEvent } from "@mayday/client";
import { api } from "../account.js";

const PAGE = 500;

/** All events of the agency, page by page: which of them run, come or are past, only all together can tell. */
export async function allEvents(signal: AbortSignal): Promise<AgencyEvent[]> {
  const events: AgencyEvent[] = [];
  let cursor: string | undefined;
  do {
    const page = await api.events.list({ limit: PAGE, ...(cursor && { cursor }) }, { signal });
    events.push(...page.items);
    cursor = page.next;
  } while (cursor);
  return events;
}
