/** One event: what people see of it, where it is, and whom to call there. */
import type { AgencyEvent } from "@mayday/client";
import { PersonText } from "../../ui/text.js";
import { api } from "../account.js";
import { isAdmin } from "../areas.js";
import { AskFirst } from "../kit/ask-first.js";
import { fromHere } from "../kit/go-on.js";
import { type Loaded, tellChange, useLoad } from "../kit/load.js";
import { Page, Shown } from "../kit/parts.js";
import { state } from "../state.js";
import { Contacts } from "./contacts.js";
import { left, phaseText } from "./list.js";
import { PlaceMap } from "./place.js";
import { helpAddress } from "./poster.js";
import { t } from "./texts.js";
import { spanOf, zoneAt } from "./times.js";

interface EventProps {
  loaded: Loaded<AgencyEvent> & { data: AgencyEvent };
  mayEdit: boolean;
}

export function EventScreen({ loaded, mayEdit }: EventProps) {
  const event = loaded.data;
  const address = `/console/events/${event.id}`;
  const remove = async () => {
    const goOn = fromHere();
    await api.events.delete(event.id);
    goOn("/console/events", { replace: true });
    tellChange("events");
  };
  const hasFigures = state.user && !isAdmin(state.user);
  return (
    <Page
      title={<PersonText>{event.name}</PersonText>}
      back={[t("events.back"), left.address]}
      actions={
        <>
          <a class="button plain" href={`/console/incidents?event=${event.id}`}>
            {t("area.incidents")}
          </a>
          {hasFigures && (
            <a class="button plain" href={`/console/figures?event=${event.id}&span=event`}>
              {t("area.figures")}
            </a>
          )}
          <a class="button" href={`${address}/poster`}>
            {t("events.poster")}
          </a>
          {mayEdit && (
            <>
              <a class="button" href={`${address}/edit`}>
                {t("events.edit-it")}
              </a>
              <AskFirst
                label={t("events.delete")}
                class="plain"
                title={t("events.delete-title")}
                text={t("events.delete-text", { name: event.name })}
                work={remove}
              />
            </>
          )}
        </>
      }
    >
      <Shown of={loaded}>{() => null}</Shown>
      <div class="venue">
        <div class="stack">
          <Facts event={event} />
          <Contacts event={event} mayEdit={mayEdit} />
        </div>
        <Venue event={event} mayEdit={mayEdit} />
      </div>
    </Page>
  );
}

function Facts({ event }: { event: AgencyEvent }) {
  const help = helpAddress(event.id);
  return (
    <dl class="event-facts">
      <dt>{t("events.when")}</dt>
      <dd>
        <span class="tabular">{spanOf(event)}</span>
        <p class="faint">
          {phaseText(event, Date.now())} · {zoneAt(event.timeStart)}
        </p>
      </dd>
      <dt>{t("events.address")}</dt>
      <dd>
        <PersonText>{event.address}</PersonText>
      </dd>
      {event.description && (
        <>
          <dt>{t("events.description")}</dt>
          <dd>
            <PersonText>{event.description}</PersonText>
          </dd>
        </>
      )}
      <dt>{t("events.help-page")}</dt>
      <dd>
        <a href={help} target="_blank" rel="noreferrer" dir="ltr">
          {help.replace(/^https?:\/\//, "")}
        </a>
      </dd>
    </dl>
  );
}

function Venue({ event, mayEdit }: { event: AgencyEvent; mayEdit: boolean }) {
  const plan = useLoad(`events/${event.id}/plan/${Boolean(event.hasPlan)}`, ["events"], async (signal) =>
    event.hasPlan ? await api.plan(event.id, { signal }) : null,
  );
  return (
    <section class="stack" aria-label={t("events.place")}>
      <Shown of={plan}>
        {(plan) => <PlaceMap place={{ lat: event.lat, lng: event.lng }} {...(plan && { plan })} />}
      </Shown>
      <div class="row spread">
        <a class="tabular" dir="ltr" href={`geo:${event.lat},${event.lng}`}>
          {event.lat.toFixed(5)}, {event.lng.toFixed(5)}
        </a>
        {mayEdit && (
          <a class="button" href={`/console/events/${event.id}/plan`}>
            {t(event.hasPlan ? "events.plan-change" : "events.plan-add")}
          </a>
        )}
      </div>
    </section>
  );
}
