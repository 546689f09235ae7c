/** The maps of events. They are loaded with Leaflet, when the first of them is seen. */
import type { Plan, Position } from "@mayday/client";
import L from "leaflet";
import { createMap, NEAR } from "../map/map.js";
import { exact } from "./places.js";

/** Where there is nothing yet to look at: all of it. */
const WORLD = 2;
const TOWN = 13;

export interface PlaceView {
  show(place: Position | undefined, near?: Position): void;
  remove(): void;
}

interface PlaceOptions {
  tileUrl: string;
  plan: Plan | undefined;
  onPick?: (place: Position) => void;
}

export function showPlace(element: HTMLElement, { tileUrl, plan, onPick }: PlaceOptions): PlaceView {
  const map = createMap(element, { tileUrl, ...(plan && { plan }) });
  let pin: L.Marker | undefined;
  let isPlaced = plan !== undefined;
  const pick = (at: L.LatLng) => onPick?.({ lat: exact(at.wrap().lat), lng: exact(at.wrap().lng) });
  if (onPick) map.on("click", ({ latlng }) => pick(latlng));
  const createPin = (place: Position) => {
    const marker = L.marker(place, { icon: icon("event-pin", [28, 34]), draggable: Boolean(onPick), keyboard: false });
    marker.on("dragend", () => pick(marker.getLatLng()));
    return marker.addTo(map);
  };
  return {
    show(place, near) {
      if (!isPlaced) {
        if (place) map.setView(place, NEAR - 1);
        else map.setView(near ?? [25, 10], near ? TOWN : WORLD);
        isPlaced = Boolean(place ?? near);
      }
      if (!place) {
        pin?.remove();
        pin = undefined;
      } else if (pin) {
        pin.setLatLng(place);
      } else {
        pin = createPin(place);
      }
      if (place && !map.getBounds().contains(place)) map.panTo(place);
    },
    remove: () => map.remove(),
  };
}

/** The edges of a plan. */
export type Edges = Pick<Plan, "north" | "south" | "east" | "west">;

export interface PlanView {
  show(image: string | undefined, edges: Edges | undefined): void;
  /** The edges of an image that fills the middle of what is seen. `ratio` is its width by its height. */
  fitted(ratio: number): Edges;
  remove(): void;
}

/** A plan over the map, with corners that can be dragged. */
export function showPlan(
  element: HTMLElement,
  { tileUrl, place, onMove }: { tileUrl: string; place: Position; onMove: (edges: Edges) => void },
): PlanView {
  const map = createMap(element, { tileUrl });
  map.setView(place, NEAR - 1);
  const pin = icon("event-pin", [28, 34]);
  L.marker(place, { icon: pin, keyboard: false, interactive: false, zIndexOffset: -1000 }).addTo(map);
  let overlay: L.ImageOverlay | undefined;
  let isFitted = false;
  const corner = () => L.marker(place, { icon: icon("plan-corner", [22, 22]), draggable: true, keyboard: false });
  const corners: [L.Marker, L.Marker] = [corner(), corner()];
  const bounds = () => L.latLngBounds(corners[0].getLatLng(), corners[1].getLatLng());
  for (const marker of corners) {
    marker.on("drag", () => overlay?.setBounds(bounds()));
    marker.on("dragend", () => onMove(edgesOf(bounds())));
  }
  return {
    show(image, edges) {
      if (!image || !edges) {
        overlay?.remove();
        overlay = undefined;
        for (const marker of corners) marker.remove();
        return;
      }
      const at = L.latLngBounds([edges.south, edges.west], [edges.north, edges.east]);
      overlay ??= L.imageOverlay(image, at, { opacity: 0.85 }).addTo(map);
      overlay.setUrl(image).setBounds(at);
      corners[0].setLatLng(at.getNorthWest()).addTo(map);
      corners[1].setLatLng(at.getSouthEast()).addTo(map);
      // What one drags stays where it is.
      if (!isFitted) map.fitBounds(at, { padding: [24, 24] });
      isFitted = true;
    },
    fitted(ratio) {
      const seen = map.getSize().multiplyBy(0.8);
      const width = Math.min(seen.x, seen.y * ratio);
      const half = L.point(width / 2, width / ratio / 2);
      const centre = map.getSize().divideBy(2);
      const corner = map.containerPointToLatLng(centre.subtract(half));
      isFitted = true;
      return edgesOf(L.latLngBounds(corner, map.containerPointToLatLng(centre.add(half))));
    },
    remove: () => map.remove(),
  };
}

function edgesOf(bounds: L.LatLngBounds): Edges {
  return {
    north: exact(bounds.getNorth()),
    south: exact(bounds.getSouth()),
    east: exact(bounds.getEast()),
    west: exact(bounds.getWest()),
  };
}

function icon(className: string, iconSize: [number, number]): L.DivIcon {
  const [width, height] = iconSize;
  // A pin points with its tip, a corner with its middle.
  return L.divIcon({ className, iconSize, iconAnchor: [width / 2, className === "event-pin" ? height : height / 2] });
}
