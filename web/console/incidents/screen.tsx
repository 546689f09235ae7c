/** The incidents of the agency's events, and what the team says about them. */
import type { Catalogues } from "../../ui/i18n.js";
import type { KeyLine, ScreenProps } from "../areas.js";
import { Page } from "../kit/parts.js";
import { IncidentScreen } from "./incident.js";
import { IncidentList } from "./list.js";
import { NewIncident } from "./new.js";
import { t } from "./texts.js";

export const catalogues: Catalogues = (language) => import(`./locales/${language}.json`);

export const keys = (): KeyLine<Parameters<typeof t>[0]>[] => [
  [["↑", "↓"], "keys.rows"],
  [["N"], "incidents.new"],
  [["E"], "incidents.edit"],
  [["1", "4"], "incidents.state"],
  [["C"], "incidents.your-comment"],
  [["Esc"], "keys.back"],
];

export function Screen({ path, query }: ScreenProps) {
  const [id = "", part] = path;
  if (id === "") return <IncidentList query={query} />;
  if (id === "new") return <NewIncident query={query} />;
  if (/^\d+$/.test(id)) return <IncidentScreen key={id} id={Number(id)} isEdited={part === "edit"} />;
  return (
    <Page title={t("area.nothing")} back={[t("area.incidents"), "/console/incidents"]}>
      <p>{t("area.nothing-text")}</p>
    </Page>
  );
}
