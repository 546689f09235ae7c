/** The people of my chats on a map. The list of chats and their facts say the same in words. */
import L from "leaflet";
import { useEffect, useRef } from "preact/hooks";
import { ageOf } from "../../ui/i18n.js";
import { api } from "../account.js";
import { useLoad } from "../kit/load.js";
import { open, tileUrl } from "../live.js";
import { isOld, nameOf, type Place, placeOf, turnOf } from "../person.js";
import { myChats, selectedChat, state } from "../state.js";
import { createMap, type MapView, NEAR } from "./map.js";
import { t } from "./texts.js";

interface Person {
  id: string;
  name: string;
  place: Place;
  needs: boolean;
}

export function PeopleMap() {
  const people = myPeople();
  const selected = people.find(({ id }) => id === state.selected);
  const { eventId = 0 } = (selectedChat() ?? myChats()[0])?.chat ?? {};
  const isPlanned = state.plans.has(eventId);
  const plan = useLoad(`plan/${isPlanned && eventId}`, ["events"], async (signal) =>
    isPlanned ? await api.plan(eventId, { signal }) : undefined,
  );
  if (people.length === 0) return <p class="map-none faint">{t("map.none")}</p>;
  const view: MapView = { ...(tileUrl && { tileUrl }), ...(plan.data && { plan: plan.data }) };
  // Another plan is another map. Without an answer there is a map all the same. The same plan read again is none.
  const { sha256, south, west, north, east } = plan.data ?? {};
  return <Canvas key={[eventId, sha256, south, west, north, east].join()} {...{ view, people, selected }} />;
}

function myPeople(): Person[] {
  return myChats().flatMap((chat) => {
    const place = placeOf(chat);
    if (!place || state.gone.has(chat.id)) return [];
    return [{ id: chat.id, name: nameOf(chat), place, needs: turnOf(chat).mine }];
  });
}

function Canvas({ view, people, selected }: { view: MapView; people: Person[]; selected: Person | undefined }) {
  const element = useRef<HTMLDivElement>(null);
  const layer = useRef<People>(undefined);
  useEffect(() => {
    if (!element.current) return;
    const shown = new People(createMap(element.current, view), people);
    layer.current = shown;
    return () => shown.end();
    // What else changes is drawn into the same map.
  }, []);
  useEffect(() => layer.current?.draw(people, selected));
  return <div ref={element} class="map-canvas" />;
}

/** What is on the map, by the chat's id. */
class People {
  readonly #map: L.Map;
  readonly #pins = new Map<string, Pin>();
  readonly #observer: ResizeObserver;
  #centre = "";

  constructor(map: L.Map, people: Person[]) {
    this.#map = map;
    this.#observer = new ResizeObserver(() => map.invalidateSize({ animate: false }));
    this.#observer.observe(map.getContainer());
    map.on("zoomend", () => this.#placeNames());
    if (people.length && !isPlaced(map)) {
      const bounds = L.latLngBounds(people.map(({ place }) => [place.lat, place.lng]));
      map.fitBounds(bounds.pad(0.2), { maxZoom: NEAR, animate: false });
    }
  }

  draw(people: Person[], selected: Person | undefined): void {
    for (const [id, pin] of this.#pins) {
      if (people.some((person) => person.id === id)) continue;
      pin.remove();
      this.#pins.delete(id);
    }
    let hasChanged = false;
    for (const person of people) {
      const pin = this.#pins.get(person.id) ?? new Pin(this.#map, person.id);
      this.#pins.set(person.id, pin);
      hasChanged = pin.show(person, person === selected) || hasChanged;
    }
    if (hasChanged) this.#placeNames();
    // Who moves the map away from the person stays there until the person, or whom one looks at, has moved.
    const centre = selected ? `${selected.id} ${selected.place.lat} ${selected.place.lng}` : "";
    if (selected && centre !== this.#centre) {
      this.#map.panTo([selected.place.lat, selected.place.lng], { animate: this.#map.options.zoomAnimation ?? false });
    }
    this.#centre = centre;
  }

  /**
   * A name that would lie on another is shown only while one looks at its pin. The chosen person comes first, then
   * those who need an answer.
   */
  #placeNames(): void {
    const pins = [...this.#pins.values()].sort((a, b) => b.rank - a.rank);
    const boxes = pins.map((pin) => pin.nameBox());
    const taken: Box[] = [];
    for (const [at, box] of boxes.entries()) {
      const isFree = !taken.some((other) => overlap(box, other));
      if (isFree) taken.push(box);
      pins[at]?.showName(isFree);
    }
  }

  end(): void {
    this.#observer.disconnect();
    this.#map.remove();
  }
}

/** A map that has a plan shows the plan. */
function isPlaced(map: L.Map): boolean {
  try {
    return map.getCenter() !== undefined;
  } catch {
    return false;
  }
}

interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

function overlap(a: Box, b: Box): boolean {
  const isBeside = a.left + a.width <= b.left || b.left + b.width <= a.left;
  const isBelow = a.top + a.height <= b.top || b.top + b.height <= a.top;
  return !isBeside && !isBelow;
}

class Pin {
  /** The higher, the sooner its name is shown. */
  rank = 0;
  readonly #map: L.Map;
  readonly #marker: L.Marker;
  readonly #circle: L.Circle;
  readonly #name = document.createElement("bdi");
  readonly #age = document.createElement("span");
  readonly #label = L.DomUtil.create("span", "map-name");
  #shown = "";

  constructor(map: L.Map, chatId: string) {
    this.#map = map;
    this.#name.dir = "auto";
    this.#label.append(this.#name, this.#age);
    const icon = L.divIcon({ className: "map-pin", html: this.#label, iconSize: [24, 24] });
    this.#circle = L.circle([0, 0], { radius: 0, interactive: false, className: "map-accuracy" });
    this.#marker = L.marker([0, 0], { icon });
    this.#marker.on("click", () => open(chatId));
    this.#marker.addTo(map);
    this.#marker.getElement()?.addEventListener("keydown", (press) => {
      if (press.key !== "Enter" && press.key !== " ") return;
      press.preventDefault();
      open(chatId);
    });
  }

  /** Whether something has changed. */
  show({ name, place, needs }: Person, isSelected: boolean): boolean {
    const age = place.at ? ageOf(place.at) : "";
    const shown = JSON.stringify([name, place, needs, isSelected, age, isOld(place)]);
    if (shown === this.#shown) return false;
    this.#shown = shown;
    this.rank = isSelected ? 2 : needs ? 1 : 0;
    const at: L.LatLngTuple = [place.lat, place.lng];
    this.#marker.setLatLng(at);
    this.#circle.setLatLng(at);
    this.#circle.setRadius(place.accuracy ?? 0);
    if (place.accuracy === undefined) this.#circle.remove();
    else this.#circle.addTo(this.#map);
    this.#name.textContent = name;
    this.#age.textContent = age;
    const icon = this.#marker.getElement();
    icon?.classList.toggle("old", isOld(place));
    icon?.classList.toggle("needs", needs);
    icon?.classList.toggle("selected", isSelected);
    this.#marker.setZIndexOffset(isSelected ? 1000 : 0);
    return true;
  }

  /** Where the name is, or would be. */
  nameBox(): Box {
    const { x: left, y: top } = this.#map.latLngToLayerPoint(this.#marker.getLatLng());
    const { offsetWidth: width, offsetHeight: height } = this.#label;
    return { left, top, width, height };
  }

  showName(isShown: boolean): void {
    this.#label.classList.toggle("covered", !isShown);
  }

  remove(): void {
    this.#circle.remove();
    this.#marker.remove();
  }
}
