/** The plan of an event's venue: an image, and where its edges are. */
import type { AgencyEvent, Plan } from "@mayday/client";
import { useEffect, useRef, useState } from "preact/hooks";
import { loadMoreTexts, number } from "../../ui/i18n.js";
import { api } from "../account.js";
import { AskFirst } from "../kit/ask-first.js";
import { Field, FieldError, Form, type Values } from "../kit/form.js";
import { fromHere } from "../kit/go-on.js";
import { tellChange, useLoad } from "../kit/load.js";
import { Page, ProblemLine, Shown } from "../kit/parts.js";
import { go } from "../router.js";
import { LARGEST_BYTES, scaledImage, sizeOf } from "./image.js";
import type { Edges, PlanView } from "./maps.js";
import { coordinate, tileAddress } from "./places.js";
import { t } from "./texts.js";

const SIDES = ["north", "south", "west", "east"] as const;
const LIMITS = { north: 90, south: 90, west: 180, east: 180 };

export function PlanScreen({ event }: { event: AgencyEvent }) {
  const loaded = useLoad(`events/${event.id}/plan/${Boolean(event.hasPlan)}`, [], async (signal) =>
    event.hasPlan ? await api.plan(event.id, { signal }) : null,
  );
  return (
    <Page title={t("events.plan")} back={[event.name, `/console/events/${event.id}`]}>
      <p class="faint">{t("events.plan-about")}</p>
      <Shown of={loaded}>{(plan) => <PlanForm event={event} plan={plan} />}</Shown>
    </Page>
  );
}

function PlanForm({ event, plan }: { event: AgencyEvent; plan: Plan | null }) {
  const back = `/console/events/${event.id}`;
  const [image, setImage] = useState(plan?.image);
  const [edges, setEdges] = useState<Edges | undefined>(plan ?? undefined);
  const [note, setNote] = useState<string>();
  const [problem, setProblem] = useState<string>();
  const [isBusy, setBusy] = useState(false);
  const fields = useRef<HTMLDivElement>(null);
  const view = useRef<PlanView>(undefined);
  const inputs = () => [...(fields.current?.querySelectorAll<HTMLInputElement>("input[name]") ?? [])];
  const read = () => {
    setEdges(edgesIn(Object.fromEntries(inputs().map(({ name, value }) => [name, value]))));
  };
  const fill = (edges: Edges) => {
    for (const input of inputs()) {
      input.value = String(edges[input.name as keyof Edges]);
      input.dispatchEvent(new Event("input", { bubbles: true }));
    }
  };
  const fit = async (url: string | undefined) => {
    if (!url) return;
    const { width, height } = await sizeOf(url);
    const fitted = view.current?.fitted(width / height);
    if (fitted) fill(fitted);
  };
  const choose = async (input: HTMLInputElement) => {
    const file = input.files?.[0];
    if (!file) return;
    setBusy(true);
    setProblem(undefined);
    setNote(t("list.loading"));
    try {
      const { url, bytes, width, height } = await scaledImage(file);
      setImage(url);
      setNote(t("events.plan-size", { width, height, size: kibibytes(bytes) }));
      if (!edges) await fit(url);
    } catch (error) {
      console.info("The image could not be used.", error);
      setNote(undefined);
      setProblem(t("events.plan-no-image"));
    }
    setBusy(false);
  };
  const submit = async (values: Values) => {
    if (!image) throw new FieldError("", t("events.plan-choose-first"));
    for (const side of SIDES) {
      const limit = LIMITS[side];
      if (coordinate(values[side] ?? "", limit) === undefined) {
        throw new FieldError(side, t("events.coordinate-wrong", { least: -limit, most: limit }));
      }
    }
    const wanted = edgesIn(values);
    if (!wanted) throw new FieldError("north", t("events.plan-edges-wrong"));
    await api.setPlan(event.id, { image, ...wanted });
    tellChange("events");
    return back;
  };
  const remove = async () => {
    const goOn = fromHere();
    await api.deletePlan(event.id);
    tellChange("events");
    goOn(back, { replace: true });
  };
  return (
    <div class="plan">
      <PlanMap event={event} image={image} edges={edges} view={view} onMove={fill} />
      <div class="stack">
        <div class="field">
          <label for="plan-file">{t(image ? "events.plan-other" : "events.plan-choose")}</label>
          <input
            id="plan-file"
            type="file"
            accept="image/*"
            aria-describedby="plan-file-hint"
            disabled={isBusy}
            onChange={({ currentTarget }) => choose(currentTarget)}
          />
          <p id="plan-file-hint" class="faint" role="status">
            {note ?? t("events.plan-hint", { size: kibibytes(LARGEST_BYTES) })}
          </p>
        </div>
        {problem && <ProblemLine text={problem} />}
        <Form
          draft={`events/${event.id}/plan`}
          submitLabel={t("events.save")}
          onSubmit={submit}
          onCancel={() => go(back, { replace: true })}
        >
          <p class="faint">{t("events.plan-drag")}</p>
          <div ref={fields} class="fields" onInput={read}>
            {SIDES.map((side) => (
              <Field key={side} name={side} label={t(LABELS[side])} value={plan ? String(plan[side]) : ""} required />
            ))}
          </div>
          <div>
            <button type="button" disabled={!image} onClick={() => fit(image)}>
              {t("events.plan-fit")}
            </button>
          </div>
        </Form>
        {plan && (
          <div>
            <AskFirst
              label={t("events.plan-delete")}
              class="plain"
              title={t("events.plan-delete-title")}
              text={t("events.plan-delete-text")}
              work={remove}
            />
          </div>
        )}
      </div>
    </div>
  );
}

const LABELS = {
  north: "events.north",
  south: "events.south",
  west: "events.west",
  east: "events.east",
} as const;

function edgesIn(values: Values): Edges | undefined {
  const [north, south, west, east] = SIDES.map((side) => coordinate(values[side] ?? "", LIMITS[side]));
  if (north === undefined || south === undefined || west === undefined || east === undefined) return undefined;
  return north > south && east > west ? { north, south, west, east } : undefined;
}

function kibibytes(bytes: number): string {
  return `${number(Math.ceil(bytes / 1024))} KiB`;
}

interface PlanMapProps {
  event: AgencyEvent;
  image: string | undefined;
  edges: Edges | undefined;
  view: { current: PlanView | undefined };
  onMove(edges: Edges): void;
}

function PlanMap({ event, image, edges, view, onMove }: PlanMapProps) {
  const element = useRef<HTMLDivElement>(null);
  const latest = useRef({ image, edges, onMove });
  latest.current = { image, edges, onMove };
  useEffect(() => {
    let isGone = false;
    const open = async () => {
      const [{ showPlan }, tileUrl] = await Promise.all([import("./maps.js"), tileAddress()]);
      await loadMoreTexts();
      if (isGone || !element.current) return;
      const place = { lat: event.lat, lng: event.lng };
      view.current = showPlan(element.current, { tileUrl, place, onMove: (moved) => latest.current.onMove(moved) });
      view.current.show(latest.current.image, latest.current.edges);
    };
    // Without the map there are still the numbers.
    open().catch((error) => console.info("The map could not be loaded.", error));
    return () => {
      isGone = true;
      view.current?.remove();
      view.current = undefined;
    };
  }, [event.lat, event.lng]);
  useEffect(() => view.current?.show(image, edges), [image, edges?.north, edges?.south, edges?.west, edges?.east]);
  return <section ref={element} class="event-map" aria-label={t("events.map")} />;
}
