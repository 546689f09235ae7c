/** Whether the map is shown beside the chats. */
import { saveSetting, setting } from "../ui/language.js";
import { later } from "./later.js";
import { update } from "./state.js";
import { t } from "./texts.js";

/** On a screen with so much room the map takes nothing from the chat. */
const roomy = matchMedia("(min-width: 88rem)");
roomy.addEventListener("change", () => update());

const map = later(() => import("./map/people.js"));

/** What the person has chosen counts; until then, whether there is room for it. */
export function isMapShown(): boolean {
  const chosen = setting("map");
  return chosen ? chosen === "on" : roomy.matches;
}

export function toggleMap(): void {
  saveSetting("map", isMapShown() ? "off" : "on");
  update();
}

export function MapPane() {
  if (!isMapShown()) return null;
  const People = map()?.PeopleMap;
  return (
    <section class="map" aria-label={t("map.label")}>
      {People && <People />}
    </section>
  );
}
