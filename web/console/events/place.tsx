/** Where an event is: two numbers, and a map for whoever would rather point. */
import type { AgencyEvent, Plan, Position } from "@mayday/client";
import { useEffect, useRef, useState } from "preact/hooks";
import { loadMoreTexts } from "../../ui/i18n.js";
import { Field } from "../kit/form.js";
import type { PlaceView } from "./maps.js";
import { coordinate, exact, positionIn, tileAddress } from "./places.js";
import { t } from "./texts.js";

/** The numbers and the map follow each other. */
export function PlaceFields({ event, near }: { event: AgencyEvent | undefined; near: AgencyEvent | undefined }) {
  const fields = useRef<HTMLFieldSetElement>(null);
  const [place, setPlace] = useState<Position | undefined>(event && { lat: event.lat, lng: event.lng });
  const [locating, setLocating] = useState<"busy" | "failed">();
  const inputs = () => [...(fields.current?.querySelectorAll("input") ?? [])];
  const read = () => {
    const [lat, lng] = inputs().map(({ value }, index) => coordinate(value, index ? 180 : 90));
    setPlace(lat === undefined || lng === undefined ? undefined : { lat, lng });
  };
  const fill = ({ lat, lng }: Position) => {
    for (const [index, input] of inputs().entries()) {
      input.value = String(exact(index ? lng : lat));
      input.dispatchEvent(new Event("input", { bubbles: true }));
    }
  };
  const paste = (paste: ClipboardEvent) => {
    const position = positionIn(paste.clipboardData?.getData("text") ?? "");
    if (!position) return;
    paste.preventDefault();
    fill(position);
  };
  const locate = () => {
    setLocating("busy");
    const typed = () =>
      inputs()
        .map(({ value }) => value)
        .join();
    const before = typed();
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        setLocating(undefined);
        // Whoever has typed a place meanwhile, or pointed at one, means that one.
        if (typed() === before) fill({ lat: coords.latitude, lng: coords.longitude });
      },
      () => setLocating("failed"),
      { enableHighAccuracy: true, timeout: 20_000 },
    );
  };
  return (
    <fieldset ref={fields} class="stack" onInput={read} onPaste={paste}>
      <legend>{t("events.place")}</legend>
      <p class="faint">{t("events.place-hint")}</p>
      <div class="fields">
        <Field name="lat" label={t("events.lat")} value={event && String(event.lat)} required />
        <Field name="lng" label={t("events.lng")} value={event && String(event.lng)} required />
      </div>
      <PlaceMap {...(place && { place })} {...(near && { near })} onPick={fill} />
      <div class="row">
        <button type="button" disabled={locating === "busy"} onClick={locate}>
          {t(locating === "busy" ? "events.locating" : "events.locate")}
        </button>
        <p class="faint" role="status">
          {locating === "failed" && t("events.locate-failed")}
        </p>
      </div>
    </fieldset>
  );
}

interface PlaceMapProps {
  place?: Position;
  /** Where to look while there is no place. */
  near?: Position;
  plan?: Plan;
  onPick?: (place: Position) => void;
}

export function PlaceMap({ place, near, plan, onPick }: PlaceMapProps) {
  const element = useRef<HTMLDivElement>(null);
  const view = useRef<PlaceView>(undefined);
  const pick = useRef(onPick);
  pick.current = onPick;
  const latest = useRef({ place, near });
  latest.current = { place, near };
  useEffect(() => {
    let isGone = false;
    const open = async () => {
      const [{ showPlace }, tileUrl] = await Promise.all([import("./maps.js"), tileAddress()]);
      await loadMoreTexts();
      if (isGone || !element.current) return;
      const options = { tileUrl, plan, ...(pick.current && { onPick: (at: Position) => pick.current?.(at) }) };
      view.current = showPlace(element.current, options);
      view.current.show(latest.current.place, latest.current.near);
    };
    // Without the map there are still the numbers.
    open().catch((error) => console.info("The map could not be loaded.", error));
    return () => {
      isGone = true;
      view.current?.remove();
      view.current = undefined;
    };
  }, [plan]);
  useEffect(() => view.current?.show(place, near), [place?.lat, place?.lng, near]);
  return <section ref={element} class="event-map" aria-label={t("events.map")} />;
}
