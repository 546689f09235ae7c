/** The form of an event. Times are typed in the zone of the browser, and sent as UTC. */
import type { AgencyEvent, NewEvent } from "@mayday/client";
import { useState } from "preact/hooks";
import { api } from "../account.js";
import { Field, FieldError, FieldErrors, Form, type Values } from "../kit/form.js";
import { tellChange, useLoad } from "../kit/load.js";
import { go } from "../router.js";
import { allEvents } from "./all.js";
import { PlaceFields } from "./place.js";
import { coordinate } from "./places.js";
import { t } from "./texts.js";
import { localOf, momentOf, utcOf, zoneAt } from "./times.js";

export function EventForm({ event }: { event?: AgencyEvent }) {
  // A new event is most often near the last one.
  const others = useLoad("events", [], async (signal) => (event ? [] : await allEvents(signal)));
  const back = event ? `/console/events/${event.id}` : "/console/events";
  const submit = async (values: Values) => {
    const fields = fieldsOf(values, event);
    const saved = event ? await edit(event, fields) : await api.events.create(fields);
    tellChange("events");
    return `/console/events/${saved.id}`;
  };
  const near = others.data?.at(-1);
  return (
    <Form
      draft={`events/${event?.id ?? "new"}`}
      submitLabel={t(event ? "events.save" : "events.create")}
      onSubmit={submit}
      onCancel={() => go(back, { replace: true })}
    >
      <Field name="name" label={t("events.name")} hint={t("events.name-hint")} value={event?.name} required />
      <Field
        name="description"
        label={t("events.description")}
        hint={t("events.description-hint")}
        value={event?.description}
        long
        required
      />
      <div class="fields">
        <TimeField name="timeStart" label={t("events.start")} moment={event?.timeStart} />
        <TimeField name="timeEnd" label={t("events.end")} moment={event?.timeEnd} />
      </div>
      <Field name="address" label={t("events.address")} value={event?.address} required />
      <PlaceFields event={event} near={near} />
    </Form>
  );
}

/** A time as one types it, with what it means elsewhere. */
function TimeField({ name, label, moment }: { name: string; label: string; moment: string | undefined }) {
  const value = moment && localOf(moment);
  const [typed, setTyped] = useState(value ?? "");
  const meant = typed === value ? moment : momentOf(typed);
  return (
    <div onInput={({ target }) => setTyped((target as HTMLInputElement).value)}>
      <Field name={name} label={label} hint={hintOf(meant)} value={value} type="datetime-local" required />
    </div>
  );
}

function hintOf(moment: ReturnType<typeof momentOf>): string {
  if (moment === "skipped") return t("events.time-skipped");
  return moment ? t("events.time-means", { zone: zoneAt(moment), utc: utcOf(moment) }) : zoneAt();
}

/** Sends only what has changed: others may have changed the rest. */
async function edit(event: AgencyEvent, fields: NewEvent): Promise<AgencyEvent> {
  const keys = (Object.keys(fields) as (keyof NewEvent)[]).filter((key) => fields[key] !== event[key]);
  if (keys.length === 0) return event;
  return await api.events.edit(event.id, Object.fromEntries(keys.map((key) => [key, fields[key]])));
}

/** What was typed, as the service wants it. All that is wrong is said at once. */
function fieldsOf(values: Values, event: AgencyEvent | undefined): NewEvent {
  const wrong: FieldError[] = [];
  const fields = {
    name: textIn(values, "name", event, wrong),
    description: textIn(values, "description", event, wrong),
    address: textIn(values, "address", event, wrong),
    lat: placeIn(values, "lat", event, wrong),
    lng: placeIn(values, "lng", event, wrong),
    timeStart: timeIn(values, "timeStart", event, wrong),
    timeEnd: timeIn(values, "timeEnd", event, wrong),
  };
  if (Date.parse(fields.timeEnd) <= Date.parse(fields.timeStart)) {
    wrong.push(new FieldError("timeEnd", t("events.end-wrong")));
  }
  if (wrong.length) throw new FieldErrors(wrong);
  return fields;
}

function textIn(
  values: Values,
  name: "name" | "description" | "address",
  event: AgencyEvent | undefined,
  wrong: FieldError[],
): string {
  const typed = values[name] ?? "";
  // In the words of the service, which says no more than one kind of problem at a time.
  if (!typed && event?.[name] !== "") wrong.push(new FieldError(name, `${name} should not be empty`));
  return typed;
}

/** A time that was not touched stays as it is, with its seconds, and on its side of a change of the clocks. */
function timeIn(
  values: Values,
  name: "timeStart" | "timeEnd",
  event: AgencyEvent | undefined,
  wrong: FieldError[],
): string {
  const typed = values[name] ?? "";
  if (event && typed === localOf(event[name])) return event[name];
  const moment = momentOf(typed);
  if (moment && moment !== "skipped") return moment;
  wrong.push(new FieldError(name, t(moment ? "events.time-skipped" : "events.time-wrong")));
  return "";
}

function placeIn(values: Values, name: "lat" | "lng", event: AgencyEvent | undefined, wrong: FieldError[]): number {
  const typed = values[name] ?? "";
  if (event && typed === String(event[name])) return event[name];
  const limit = name === "lat" ? 90 : 180;
  const value = coordinate(typed, limit);
  if (value !== undefined) return value;
  wrong.push(new FieldError(name, t("events.coordinate-wrong", { least: -limit, most: limit })));
  return Number.NaN;
}
