/** The areas of the console: where each is, who may see it, and how its screen is loaded. */
import type { User } from "@mayday/client";
import type { ComponentType } from "preact";
import type { Catalogues } from "../ui/i18n.js";
import type { TextKey } from "./texts.js";

/** What the module of an area exports. Its texts are loaded with it. */
export interface AreaModule {
  Screen: ComponentType<ScreenProps>;
  catalogues: Catalogues;
  /** What the keys of its screens do, for who asks. */
  keys?(): KeyLine[];
}

/** A key, or the first and the last of several, and the text that says what it does. */
export type KeyLine<Key extends string = string> = [keys: string[], text: Key];

/** What an address says beside the area: `/console/events/7/poster?x=1` has `path` `["7", "poster"]`. */
export interface ScreenProps {
  path: string[];
  query: URLSearchParams;
}

export interface Area {
  name: string;
  title: TextKey;
  /** Whether this person may see it. What the service would refuse is not shown. */
  allows(user: User): boolean;
  /** The live side is part of the page, and is not loaded. */
  load?(): Promise<AreaModule>;
}

export const isAdmin = ({ role }: User): boolean => role <= 1;
export const isOwner = ({ role }: User): boolean => role <= 2;
export const isManager = ({ role }: User): boolean => role <= 3;
/** Administrators see an agency only in preview, and never its chats. */
const hasAgency = ({ agencyId }: User): boolean => agencyId !== null;
const isOfAgency = (user: User): boolean => hasAgency(user) && !isAdmin(user);

export const AREAS: Area[] = [
  { name: "live", title: "area.live", allows: isOfAgency },
  { name: "agencies", title: "area.agencies", allows: isAdmin, load: () => import("./admin/screen.js") },
  { name: "incidents", title: "area.incidents", allows: hasAgency, load: () => import("./incidents/screen.js") },
  { name: "events", title: "area.events", allows: hasAgency, load: () => import("./events/screen.js") },
  { name: "archive", title: "area.archive", allows: isOfAgency, load: () => import("./archive/screen.js") },
  { name: "figures", title: "area.figures", allows: isOfAgency, load: () => import("./figures/screen.js") },
  { name: "people", title: "area.people", allows: hasAgency, load: () => import("./people/screen.js") },
  { name: "agency", title: "area.agency", allows: hasAgency, load: () => import("./agency/screen.js") },
  {
    name: "record",
    title: "area.record",
    allows: (user) => isAdmin(user) || hasAgency(user),
    load: () => import("./record/screen.js"),
  },
  { name: "profile", title: "area.profile", allows: () => true, load: () => import("./profile/screen.js") },
];

/** Until an account is complete, the service lets its person do nothing else. */
export const isComplete = (user: User): boolean => !user.mustChangePassword && !user.mustHaveSecondFactor;

export function areasOf(user: User): Area[] {
  return AREAS.filter((area) => area.allows(user) && (isComplete(user) || area.name === "profile"));
}

/** For who is not signed in. */
export const REGISTER: Area = {
  name: "register",
  title: "sign-in.register",
  allows: () => true,
  load: () => import("./register/screen.js"),
};
