/** Which language a page speaks. Small, because it runs before anything else has arrived. */
export const LANGUAGES = {
  en: "English",
  de: "Deutsch",
  pl: "Polski",
  es: "Español",
  fr: "Français",
  uk: "Українська",
  ar: "العربية",
} as const;
export type Language = keyof typeof LANGUAGES;

/** What the person has chosen, else the first of the browser's languages that there is a catalogue for. */
export function chosenLanguage(): Language {
  const wanted = [setting("language") ?? "", ...navigator.languages].map((tag) => tag.slice(0, 2).toLowerCase());
  return wanted.find((tag): tag is Language => Object.hasOwn(LANGUAGES, tag)) ?? "en";
}

export function directionOf(language: Language): "ltr" | "rtl" {
  return language === "ar" ? "rtl" : "ltr";
}

type Setting = "language" | "quiet" | "sound" | "notify" | "map" | "order";

/** A choice of this device. Where storage is forbidden there is none. */
export function setting(name: Setting): string | null {
  try {
    return localStorage.getItem(`mayday-${name}`);
  } catch {
    return null;
  }
}

/** Tells when another tab of this browser has chosen. */
export function watchSettings(changed: (name: Setting) => void): void {
  addEventListener("storage", ({ key }) => {
    if (key?.startsWith("mayday-")) changed(key.slice("mayday-".length) as Setting);
  });
}

export function saveSetting(name: Setting, value: string): void {
  try {
    localStorage.setItem(`mayday-${name}`, value);
  } catch {
    // The choice holds until the page is closed.
  }
}
