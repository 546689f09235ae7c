/** A map: tiles of a server or a plain grid that asks nobody for anything, and over it the plan of a venue. */
import type { Plan } from "@mayday/client";
import L from "leaflet";
import leafletStyle from "leaflet/dist/leaflet.css" with { type: "text" };
import { addStyle } from "../../ui/style.js";
import ownStyle from "./map.css" with { type: "text" };
import { t } from "./texts.js";

export interface MapView {
  /** With `{z}`, `{x}` and `{y}`. */
  tileUrl?: string;
  plan?: Plan;
}

const DEEPEST_TILES = 19;
const DEEPEST = 22;
/** Where one looks before there is anything to see, and how near. */
export const NEAR = 17;

addStyle(leafletStyle + ownStyle);

/** Whoever makes a map ends it with `remove()`, and calls `setView` or `fitBounds` where there is no plan. */
export function createMap(element: HTMLElement, { tileUrl, plan }: MapView): L.Map {
  // Leaflet places everything from the left, also where one writes from the right.
  element.dir = "ltr";
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const map = L.map(element, {
    maxZoom: DEEPEST,
    zoomControl: false,
    attributionControl: false,
    zoomAnimation: !isCalm,
    fadeAnimation: false,
    markerZoomAnimation: !isCalm,
    inertia: !isCalm,
    worldCopyJump: true,
  });
  L.control.zoom({ zoomInTitle: t("map.nearer"), zoomOutTitle: t("map.farther") }).addTo(map);
  L.control.scale({ imperial: false }).addTo(map);
  if (tileUrl) {
    if (/openstreetmap\.org/.test(tileUrl)) {
      L.control.attribution({ prefix: false }).addAttribution("© OpenStreetMap").addTo(map);
    }
    L.tileLayer(tileUrl, { maxNativeZoom: DEEPEST_TILES, maxZoom: DEEPEST }).addTo(map);
  } else {
    new Grid({ maxZoom: DEEPEST }).addTo(map);
  }
  if (plan) {
    const bounds = L.latLngBounds([plan.south, plan.west], [plan.north, plan.east]);
    L.imageOverlay(plan.image, bounds, { alt: t("map.plan") }).addTo(map);
    map.fitBounds(bounds);
  }
  return map;
}

class Grid extends L.GridLayer {
  override createTile(): HTMLElement {
    return L.DomUtil.create("div", "map-grid");
  }
}
