/**
 * Runs inline in the document, before the first paint: language, direction, quiet mode, and the label of the button,
 * which must not wait for a catalogue. The build puts in CATALOGUES (addresses) and LABELS (of `data-label` elements).
 */
import { chosenLanguage, directionOf, setting } from "./language.js";

declare const CATALOGUES: Record<string, string>;
declare const LABELS: Record<string, Record<string, string>>;

const page = document.documentElement;
const language = chosenLanguage();
page.lang = language;
page.dir = directionOf(language);
if (setting("quiet") === "on") page.dataset.quiet = "on";
if (/^\/help\/?$/.test(location.pathname)) page.dataset.find = "";
for (const element of document.querySelectorAll<HTMLElement>("[data-label]")) {
  element.textContent = LABELS[element.dataset.label ?? ""]?.[language] ?? "";
}
if (document.querySelector("script[type=module]")) {
  // Once the first script has run, and not beside it: on a slow network it would delay the button.
  addEventListener("DOMContentLoaded", () => {
    const preload = document.createElement("link");
    preload.rel = "modulepreload";
    preload.href = CATALOGUES[language] ?? "";
    document.head.append(preload);
  });
}
