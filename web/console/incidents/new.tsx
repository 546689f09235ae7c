/** A new incident. */
import type { AgencyEvent, IssuePriority } from "@mayday/client";
import { useEffect } from "preact/hooks";
import { api } from "../account.js";
import { isManager } from "../areas.js";
import { Field, Form, type Values } from "../kit/form.js";
import { useKeys } from "../kit/keys.js";
import { tellChange, useLoad } from "../kit/load.js";
import { Empty, Page, Shown } from "../kit/parts.js";
import { go } from "../router.js";
import { state } from "../state.js";
import { IncidentFields } from "./fields.js";
import { left } from "./list.js";
import { t } from "./texts.js";

export function NewIncident({ query }: { query: URLSearchParams }) {
  const events = useLoad("events", ["events"], async (signal) => (await api.events.list({}, { signal })).items);
  const leave = () => go(left.address);
  useKeys({ escape: leave });
  return (
    <Page title={t("incidents.new")} back={[t("area.incidents"), left.address]}>
      <Shown of={events}>
        {(events) =>
          events.length ? <NewForm events={events} wanted={Number(query.get("event"))} leave={leave} /> : <NoEvents />
        }
      </Shown>
    </Page>
  );
}

function NewForm(props: { events: AgencyEvent[]; wanted: number; leave: () => void }) {
  const { wanted, leave } = props;
  const events = [...props.events].sort((a, b) => distance(a) - distance(b));
  const event = events.find(({ id }) => id === wanted) ?? events[0];
  useEffect(() => document.getElementById("field-name")?.focus(), []);
  return (
    <Form draft="incidents/new" submitLabel={t("incidents.create")} onSubmit={create} onCancel={leave}>
      <Field
        name="eventId"
        label={t("person.event")}
        value={String(event?.id ?? "")}
        options={events.map(({ id, name }) => [String(id), name] as const)}
      />
      <IncidentFields />
    </Form>
  );
}

async function create({ name = "", description = "", priority, eventId }: Values): Promise<string> {
  const { id } = await api.issues.create({
    ...{ name, description, priority: priority as IssuePriority, eventId: Number(eventId) },
  });
  tellChange("issues");
  return `/console/incidents/${id}`;
}

/** How far an event is from now, in milliseconds: 0 while it lasts. */
function distance({ timeStart, timeEnd }: AgencyEvent): number {
  return Math.max(Date.parse(timeStart) - Date.now(), Date.now() - Date.parse(timeEnd), 0);
}

function NoEvents() {
  const mayAdd = state.user && isManager(state.user);
  return (
    <Empty>
      {t(mayAdd ? "incidents.no-events" : "incidents.no-events-support")}{" "}
      {mayAdd && <a href="/console/events">{t("area.events")}</a>}
    </Empty>
  );
}
