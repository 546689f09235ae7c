/** The closed chats of the agency. */
import type { Catalogues } from "../../ui/i18n.js";
import type { ScreenProps } from "../areas.js";
import { ArchivedChat } from "./chat.js";
import { ArchiveList } from "./list.js";

export const catalogues: Catalogues = (language) => import(`./locales/${language}.json`);

export function Screen({ path: [id], query }: ScreenProps) {
  if (!id) return <ArchiveList query={query} />;
  return <ArchivedChat key={id} id={id} search={query.get("q") ?? ""} />;
}
