import type { AgencyEvent } from "@mayday/client";
import { api } from "../account.js";
import { allOf } from "../kit/load.js";

/** All events of the agency: which of them run, come or are past, only all together can tell. */
export function allEvents(signal: AbortSignal): Promise<AgencyEvent[]> {
  return allOf((page) => api.events.list(page, { signal }));
}
