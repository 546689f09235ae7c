import { textsOf } from "../kit/catalogues.js";
import type en from "./locales/en.json";

export const t = textsOf<keyof typeof en>();

export const catalogues = {
  en: () => import("./locales/en.json"),
  de: () => import("./locales/de.json"),
  pl: () => import("./locales/pl.json"),
  es: () => import("./locales/es.json"),
  fr: () => import("./locales/fr.json"),
  uk: () => import("./locales/uk.json"),
  ar: () => import("./locales/ar.json"),
};
