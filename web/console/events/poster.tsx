/** A poster for the venue: who scans its code is at the button that calls help. */
import type { AgencyEvent } from "@mayday/client";
import { currentLanguage } from "../../ui/i18n.js";
import { Icon } from "../../ui/icon.js";
import { directionOf, LANGUAGES, type Language } from "../../ui/language.js";
import { PersonText } from "../../ui/text.js";
import { api } from "../account.js";
import { useLoad } from "../kit/load.js";
import { Page, Shown } from "../kit/parts.js";
import { QrCode } from "../kit/qr.js";
import { go } from "../router.js";
import { catalogues, t } from "./texts.js";
import { spanOf } from "./times.js";

/** The words on the poster in one language. */
interface Words {
  language: Language;
  help: string;
  scan: string;
}

const ALL = Object.keys(LANGUAGES) as Language[];

export function helpAddress(eventId: number): string {
  return `${location.origin}/help/${eventId}`;
}

export function PosterScreen({ event, query }: { event: AgencyEvent; query: URLSearchParams }) {
  const shown = languagesIn(query);
  const hasPhone = query.get("phone") !== "no";
  const settings = useLoad("agency/settings", ["agency"], (signal) => api.settings({ signal }));
  const words = useLoad(`poster/${shown.join(",")}`, [], () => Promise.all(shown.map(wordsOf)));
  const choose = (languages: Language[], withPhone: boolean) => {
    const choice = new URLSearchParams();
    if (languages.length < ALL.length) choice.set("languages", languages.join(","));
    if (!withPhone) choice.set("phone", "no");
    const rest = String(choice) ? `?${choice}` : "";
    go(`/console/events/${event.id}/poster${rest}`, { replace: true });
  };
  const toggle = (language: Language) => {
    const others = shown.filter((other) => other !== language);
    choose(others.length < shown.length ? others : [...shown, language], hasPhone);
  };
  const phone = settings.data?.helpPhoneNumber ?? "";
  return (
    <Page
      title={t("events.poster")}
      back={[event.name, `/console/events/${event.id}`]}
      actions={
        <button type="button" class="strong" disabled={!words.data} onClick={() => print()}>
          {t("events.print")}
        </button>
      }
    >
      <div class="poster">
        <div class="poster-choices stack">
          <fieldset>
            <legend>{t("events.languages")}</legend>
            {ALL.map((language) => (
              <label key={language} class="switch">
                <input
                  type="checkbox"
                  checked={shown.includes(language)}
                  disabled={shown.length === 1 && shown.includes(language)}
                  onChange={() => toggle(language)}
                />
                <span lang={language}>{LANGUAGES[language]}</span>
              </label>
            ))}
          </fieldset>
          <Shown of={settings}>
            {({ helpPhoneNumber }) =>
              helpPhoneNumber ? (
                <label class="switch">
                  <input type="checkbox" checked={hasPhone} onChange={() => choose(shown, !hasPhone)} />
                  <span>{t("events.with-phone")}</span>
                </label>
              ) : (
                <p class="faint">{t("events.no-phone")}</p>
              )
            }
          </Shown>
          {isOnlyHere() && <p class="notice">{t("events.only-here", { host: location.host })}</p>}
          <p class="faint">{t("events.print-hint")}</p>
        </div>
        <Shown of={words}>{(words) => <Sheet event={event} words={words} phone={hasPhone ? phone : ""} />}</Shown>
      </div>
    </Page>
  );
}

/** Other devices cannot reach this machine by the name that it has for itself. */
function isOnlyHere(): boolean {
  return /^(localhost|127\.|\[::1\])/.test(location.hostname);
}

/** In the order in which they were chosen: the first is the largest. */
function languagesIn(query: URLSearchParams): Language[] {
  const own = currentLanguage();
  const standard = [own, ...ALL.filter((language) => language !== own)];
  const wanted = query.get("languages")?.split(",") ?? standard;
  const known = [...new Set(wanted)].filter((language): language is Language => Object.hasOwn(LANGUAGES, language));
  return known.length ? known : standard;
}

async function wordsOf(language: Language): Promise<Words> {
  const texts = (await catalogues(language)).default;
  return { language, help: texts["events.help-word"], scan: texts["events.scan-word"] };
}

interface SheetProps {
  event: AgencyEvent;
  words: Words[];
  phone: string;
}

/** A sheet of A4. It looks here as it does on paper. */
function Sheet({ event, words, phone }: SheetProps) {
  const address = helpAddress(event.id);
  const [first, ...others] = words;
  if (!first) return null;
  return (
    <div class="poster-frame">
      <article class="poster-sheet" aria-label={t("events.poster")}>
        <header class="poster-head">
          <p
            class="poster-help"
            lang={first.language}
            dir={directionOf(first.language)}
            style={{ "--letters": first.help.length }}
          >
            {first.help}
          </p>
          <ul class="poster-languages">
            {others.map(({ language, help }) => (
              <li key={language} lang={language} dir={directionOf(language)}>
                {help}
              </li>
            ))}
          </ul>
        </header>
        <QrCode text={address} />
        <ul class="poster-scan" style={{ "--lines": words.length }}>
          {words.map(({ language, scan }) => (
            <li key={language} lang={language} dir={directionOf(language)}>
              {scan}
            </li>
          ))}
        </ul>
        <p class="poster-address" dir="ltr">
          {address.replace(/^https?:\/\//, "")}
        </p>
        {phone && (
          <p class="poster-phone">
            <Icon name="phone" />
            <bdi dir="ltr">{phone}</bdi>
          </p>
        )}
        <footer class="poster-foot">
          <PersonText>{event.name}</PersonText>
          <p>{spanOf(event)}</p>
        </footer>
      </article>
    </div>
  );
}
