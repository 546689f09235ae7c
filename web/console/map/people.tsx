/** The people of my chats on a map. The list of chats and their facts say the same in words. */
import L from "leaflet";
import { useEffect, useRef } from "preact/hooks";
import { ageOf } from "../../ui/i18n.js";
import { api } from "../account.js";
import { useLoad } from "../kit/load.js";
import { open, tileUrl } from "../live.js";
import { isOld, nameOf, type Place, placeOf, turnOf } from "../person.js";
import { myChats, selectedChat, state } from "../state.js";
import { t } from "../texts.js";
import { createMap, type MapView, NEAR } from "./map.js";

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
  // Another plan is another map. Without an answer there is a map all the same.
  return <Canvas key={`${eventId} ${plan.readAt && plan.data ? plan.readAt : ""}`} {...{ view, people, selected }} />;
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
    for (const person of people) {
      const pin = this.#pins.get(person.id) ?? new Pin(this.#map, person.id);
      this.#pins.set(person.id, pin);
      pin.show(person, person === selected);
    }
    // Who moves the map away from the person stays there until the person, or whom one looks at, has moved.
    const centre = selected ? `${selected.id} ${selected.place.lat} ${selected.place.lng}` : "";
    if (selected && centre !== this.#centre) {
      this.#map.panTo([selected.place.lat, selected.place.lng], { animate: this.#map.options.zoomAnimation ?? false });
    }
    this.#centre = centre;
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

class Pin {
  readonly #marker: L.Marker;
  readonly #circle: L.Circle;
  readonly #name = document.createElement("bdi");
  readonly #age = document.createElement("span");
  readonly #label = L.DomUtil.create("span", "map-name");
  #shown = "";

  constructor(map: L.Map, chatId: string) {
    this.#name.dir = "auto";
    this.#label.append(this.#name, this.#age);
    const icon = L.divIcon({ className: "map-pin", html: this.#label, iconSize: [24, 24] });
    this.#circle = L.circle([0, 0], { radius: 0, interactive: false, className: "map-accuracy" });
    this.#marker = L.marker([0, 0], { icon });
    this.#marker.on("click", () => open(chatId));
    this.#circle.addTo(map);
    this.#marker.addTo(map);
    this.#marker.getElement()?.addEventListener("keydown", (press) => {
      if (press.key !== "Enter" && press.key !== " ") return;
      press.preventDefault();
      open(chatId);
    });
  }

  show({ name, place, needs }: Person, isSelected: boolean): void {
    const age = ageOf(place.at);
    const shown = JSON.stringify([name, place, needs, isSelected, age, isOld(place)]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    const at: L.LatLngTuple = [place.lat, place.lng];
    this.#marker.setLatLng(at);
    this.#circle.setLatLng(at);
    this.#circle.setRadius(place.accuracy ?? 0);
    this.#name.textContent = name;
    this.#age.textContent = age;
    const icon = this.#marker.getElement();
    icon?.classList.toggle("old", isOld(place));
    icon?.classList.toggle("needs", needs);
    icon?.classList.toggle("selected", isSelected);
    this.#marker.setZIndexOffset(isSelected ? 1000 : 0);
  }

  remove(): void {
    this.#circle.remove();
    this.#marker.remove();
  }
}
