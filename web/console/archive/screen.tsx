/** The closed chats of the agency. */
import type { Catalogues } from "../../ui/i18n.js";
import type { KeyLine, ScreenProps } from "../areas.js";
import { ArchivedChat } from "./chat.js";
import { ArchiveList } from "./list.js";
import type { t } from "./texts.js";
import { wordsInAddress } from "./words.js";

export const catalogues: Catalogues = (language) => import(`./locales/${language}.json`);

export const keys = (): KeyLine<Parameters<typeof t>[0]>[] => [
  [["↑", "↓"], "keys.rows"],
  [["/"], "archive.search"],
  [["P"], "archive.print"],
  [["D"], "archive.download"],
  [["Esc"], "keys.back"],
];

export function Screen({ path: [id], query }: ScreenProps) {
  if (!id) return <ArchiveList query={query} />;
  return <ArchivedChat key={id} id={id} search={wordsInAddress()} />;
}
