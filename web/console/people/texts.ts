/** The texts about people, which also the administrators' screens use. */
import type { Catalogues } from "../../ui/i18n.js";
import { textsOf } from "../kit/catalogues.js";
import type en from "./locales/en.json";

export const catalogues: Catalogues = {
  en: () => import("./locales/en.json"),
  de: () => import("./locales/de.json"),
  pl: () => import("./locales/pl.json"),
  es: () => import("./locales/es.json"),
  fr: () => import("./locales/fr.json"),
  uk: () => import("./locales/uk.json"),
  ar: () => import("./locales/ar.json"),
};
export const t = textsOf<keyof typeof en>();
