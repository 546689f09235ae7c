/** The texts of a page: one catalogue per language, of which a page loads the chosen one. */
import type en from "../locales/en.json";
import { chosenLanguage, directionOf, type Language } from "./language.js";

type Catalogue = typeof en;
export type TextKey = keyof Catalogue;
type Plural = Partial<Record<Intl.LDMLPluralRule, string>> & { other: string };

/** How to load the texts of a language. */
export type Catalogues = (language: Language) => Promise<{ default: Record<string, string | Plural> }>;

/** By name: a pattern for all files would cost every phone 200 bytes more. */
const SHARED = {
  en: () => import("../locales/en.json"),
  de: () => import("../locales/de.json"),
  pl: () => import("../locales/pl.json"),
  es: () => import("../locales/es.json"),
  fr: () => import("../locales/fr.json"),
  uk: () => import("../locales/uk.json"),
  ar: () => import("../locales/ar.json"),
};

let language: Language = "en";
/** The language that was asked for last. Its texts may be on their way. */
let asked: Language = "en";
let locale = "en";
let texts: Record<string, string | Plural> = {};
const own: Catalogues[] = [];

/** For a page, or a part of one, that has texts of its own beside the shared ones. The next load has them as well. */
export function addCatalogues(catalogues: Catalogues): void {
  if (!own.includes(catalogues)) own.push(catalogues);
}

export function currentLanguage(): Language {
  return language;
}

/** How dates and numbers are written: "en-GB". */
export function currentLocale(): string {
  return locale;
}

/** As where the person lives, if the browser says so. All digits of a page are of one kind, those of phone numbers. */
function localeOf(language: Language): string {
  const tag = navigator.languages.find((tag) => tag.split("-")[0] === language) ?? language;
  return new Intl.Locale(tag, { numberingSystem: "latn" }).toString();
}

/** Loads a catalogue and turns the document to it. Without network the texts stay as they are. */
export async function loadTexts(wanted: Language = chosenLanguage()): Promise<void> {
  asked = wanted;
  const loaded = await Promise.all([SHARED[wanted](), ...own.map((catalogues) => catalogues(wanted))]).catch(
    (error) => {
      if (asked === wanted) asked = language;
      throw error;
    },
  );
  // Another language was asked for meanwhile.
  if (asked !== wanted) return loadMoreTexts();
  // A part of the page may have loaded texts of its own meanwhile.
  texts = Object.assign({}, wanted === language ? texts : {}, ...loaded.map((catalogue) => catalogue.default));
  language = wanted;
  locale = localeOf(wanted);
  document.documentElement.lang = wanted;
  document.documentElement.dir = directionOf(wanted);
}

/** Loads the texts of a part of the page that has come, in the language of the page. */
export function loadMoreTexts(): Promise<void> {
  return loadTexts(asked);
}

/**
 * The text of a key. `{name}` is replaced by the value of `values.name`, kept apart from the direction of the sentence
 * around it; `values.n` also chooses the plural form.
 */
export function t<Key extends string = TextKey>(key: Key, values: Record<string, string | number> = {}): string {
  const text = texts[key] ?? "";
  const form =
    typeof text === "string" ? text : (text[formatter(Intl.PluralRules).select(Number(values.n))] ?? text.other);
  return form.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    return typeof value === "number" ? number(value) : `\u2068${withoutBidi(value ?? "")}\u2069`;
  });
}

/** Text of others without the characters that turn the direction of what follows. */
export function withoutBidi(text: string): string {
  return text.replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "");
}

/** Making a formatter takes longer than using it a hundred times. */
const formatters = new Map<string, unknown>();

function formatter<Format>(
  Format: new (locale: string, options: never) => Format,
  options: Record<string, unknown> = {},
): Format {
  const key = `${Format.name} ${locale} ${JSON.stringify(options)}`;
  const known = formatters.get(key) ?? new Format(locale, options as never);
  formatters.set(key, known);
  return known as Format;
}

export function number(value: number, options?: Intl.NumberFormatOptions): string {
  return formatter(Intl.NumberFormat, { ...options }).format(value);
}

/** The time of day; with the date if it was not today. */
export function timeOf(timestamp: string): string {
  const time = new Date(timestamp);
  const today = time.toDateString() === new Date().toDateString();
  return formatter(Intl.DateTimeFormat, { timeStyle: "short", ...(today ? {} : { dateStyle: "medium" }) }).format(time);
}

/** "2 minutes ago". */
export function ageOf(timestamp: string): string {
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(timestamp)) / 1000));
  const format = formatter(Intl.RelativeTimeFormat, { numeric: "auto" });
  if (seconds < 60) return format.format(0, "second");
  return seconds < 3600
    ? format.format(-Math.floor(seconds / 60), "minute")
    : format.format(-Math.floor(seconds / 3600), "hour");
}

/** "12 m", "1.4 km". */
export function distance(metres: number): string {
  const far = metres >= 1000;
  return number(far ? metres / 1000 : Math.ceil(metres), {
    style: "unit",
    unit: far ? "kilometer" : "meter",
    maximumFractionDigits: far ? 1 : 0,
  });
}
