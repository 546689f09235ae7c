/** Which screen an address stands for. Links of the console are plain links; here they need no new page. */
import { AREAS, type Area, areasOf, isComplete, type ScreenProps } from "./areas.js";
import { state, update } from "./state.js";

export interface Place extends ScreenProps {
  /** Undefined where there is nothing, or nothing for this person. */
  area: Area | undefined;
}

/**
 * What the address says. `/console` is the first area of the person; chats belong to the live side. A person whose
 * account is not complete sees the profile at every address, and what belongs there once the account is complete.
 */
export function currentPlace(): Place {
  const [, , first = "", ...path] = location.pathname.split("/").map(decode);
  const query = new URLSearchParams(location.search);
  const mine = state.user ? areasOf(state.user) : [];
  if (state.user && !isComplete(state.user)) return { area: mine[0], path, query };
  if (first === "chats") return { area: mine.find(({ name }) => name === "live"), path, query };
  const area = first ? mine.find(({ name }) => name === first) : mine[0];
  return { area, path, query };
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

export function isLiveShown(): boolean {
  return state.user !== undefined && currentPlace().area?.name === "live";
}

export function addressOf(area: Area): string {
  return area === AREAS[0] ? "/console" : `/console/${area.name}`;
}

/** Goes to an address of the console. `replace` leaves no trace in the history: for filters, and after deleting. */
export function go(address: string, { replace = false } = {}): void {
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  update();
  if (!replace) scrollTo(0, 0);
}

export function watchAddress(arrived: () => void): void {
  addEventListener("popstate", () => {
    arrived();
    update();
  });
  document.addEventListener("click", (click) => {
    const link = (click.target as Element).closest?.("a");
    if (!link || link.target || link.download || link.origin !== location.origin) return;
    if (!/^\/console(\/|$)/.test(link.pathname)) return;
    if (click.defaultPrevented || click.button !== 0 || click.metaKey || click.ctrlKey || click.shiftKey) return;
    click.preventDefault();
    go(link.href);
    arrived();
  });
}
