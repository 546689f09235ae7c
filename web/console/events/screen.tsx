/** Events: where and when the agency works, whom to call there, and how people find its help. */
import type { AgencyEvent } from "@mayday/client";
import { api } from "../account.js";
import { isManager, type KeyLine, type ScreenProps } from "../areas.js";
import { useLoad } from "../kit/load.js";
import { Page, Shown } from "../kit/parts.js";
import { state } from "../state.js";
import { ContactScreen } from "./contacts.js";
import { EventScreen } from "./event.js";
import { EventForm } from "./form.js";
import { EventList, left } from "./list.js";
import { PlanScreen } from "./plan.js";
import { PosterScreen } from "./poster.js";
import { t } from "./texts.js";

export { catalogues } from "./texts.js";

const mayEditEvents = () => state.user !== undefined && isManager(state.user);

export const keys = (): KeyLine<Parameters<typeof t>[0]>[] => [
  [["↑", "↓"], "keys.rows"],
  ...(mayEditEvents() ? [[["N"], "events.new"] as KeyLine<"events.new">] : []),
];

export function Screen({ path, query }: ScreenProps) {
  const [id = "", part = "", row = ""] = path;
  const mayEdit = mayEditEvents();
  if (!id) return <EventList query={query} mayEdit={mayEdit} />;
  if (id === "new" && mayEdit) return <NewEvent />;
  if (!/^[1-9]\d*$/.test(id)) return <Nothing />;
  return <OneEvent key={id} id={Number(id)} part={part} row={row} query={query} mayEdit={mayEdit} />;
}

interface PartProps {
  id: number;
  part: string;
  /** A row of the part: of the contacts. */
  row: string;
  query: URLSearchParams;
  mayEdit: boolean;
}

function OneEvent({ id, part, row, query, mayEdit }: PartProps) {
  const loaded = useLoad(`events/${id}`, ["events"], (signal) => api.events.get(id, { signal }));
  if (!loaded.data) {
    return (
      <Page title={t("area.events")} back={[t("events.back"), left.address]}>
        <Shown of={loaded}>{() => null}</Shown>
      </Page>
    );
  }
  const event = loaded.data;
  if (part === "") return <EventScreen loaded={{ ...loaded, data: event }} mayEdit={mayEdit} />;
  if (part === "poster") return <PosterScreen event={event} query={query} />;
  if (!mayEdit) return <Nothing />;
  if (part === "edit") return <EditedEvent event={event} />;
  if (part === "plan") return <PlanScreen event={event} />;
  if (part === "contacts" && /^(new|[1-9]\d*)$/.test(row)) return <ContactScreen key={row} event={event} row={row} />;
  return <Nothing />;
}

function NewEvent() {
  return (
    <Page title={t("events.new")} back={[t("events.back"), left.address]}>
      <EventForm />
    </Page>
  );
}

function EditedEvent({ event }: { event: AgencyEvent }) {
  return (
    <Page title={t("events.edit")} back={[event.name, `/console/events/${event.id}`]}>
      <EventForm event={event} />
    </Page>
  );
}

function Nothing() {
  return (
    <Page title={t("area.nothing")} back={[t("events.back"), left.address]}>
      <p>{t("area.nothing-text")}</p>
    </Page>
  );
}
