/** The closed chats of the agency. */
import type { ScreenProps } from "../areas.js";
import { ArchivedChat } from "./chat.js";
import { ArchiveList } from "./list.js";

export const catalogues = {
  en: () => import("./locales/en.json"),
  de: () => import("./locales/de.json"),
  pl: () => import("./locales/pl.json"),
  es: () => import("./locales/es.json"),
  fr: () => import("./locales/fr.json"),
  uk: () => import("./locales/uk.json"),
  ar: () => import("./locales/ar.json"),
};

export function Screen({ path: [id], query }: ScreenProps) {
  if (!id) return <ArchiveList query={query} />;
  return <ArchivedChat key={id} id={id} search={query.get("q") ?? ""} />;
}
