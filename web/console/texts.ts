/** The texts of the console: its own, and those that all pages share. */
import { addCatalogues, currentLocale, type TextKey as SharedKey, t as textOf } from "../ui/i18n.js";
import type en from "./locales/en.json";

export type TextKey = SharedKey | keyof typeof en;
export const t = textOf<TextKey>;

/** By name, as the shared ones: a pattern for all files would cost each first visit 400 bytes more. */
const OWN = {
  en: () => import("./locales/en.json"),
  de: () => import("./locales/de.json"),
  pl: () => import("./locales/pl.json"),
  es: () => import("./locales/es.json"),
  fr: () => import("./locales/fr.json"),
  uk: () => import("./locales/uk.json"),
  ar: () => import("./locales/ar.json"),
};
addCatalogues((language) => OWN[language]());

/** "21:14:07". */
export function clockOf(milliseconds: number): string {
  return new Intl.DateTimeFormat(currentLocale(), { timeStyle: "medium" }).format(milliseconds);
}

/** "0:42", "1:02:07": how long something has lasted. */
export function duration(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const two = (value: number) => String(value).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  const start = minutes < 60 ? String(minutes) : `${Math.floor(minutes / 60)}:${two(minutes % 60)}`;
  return `${start}:${two(seconds % 60)}`;
}
