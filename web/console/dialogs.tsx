/** What opens over the screen: keys, settings, and what is loaded for the chat on the screen. */
import { useId } from "preact/hooks";
import { Dialog } from "../ui/dialog.js";
import { currentLanguage, loadTexts, t as textOf } from "../ui/i18n.js";
import { LANGUAGES, type Language, saveSetting } from "../ui/language.js";
import { isQuiet, setQuiet } from "../ui/quiet.js";
import { signOut } from "./account.js";
import { canNotify, isNotifyingRefused, setNotifications, setSound, wantsNotifications, wantsSound } from "./alerts.js";
import { keysOf } from "./area.js";
import type { KeyLine } from "./areas.js";
import { later } from "./later.js";
import { closeDialog } from "./live.js";
import { currentPlace, isLiveShown } from "./router.js";
import { state, update } from "./state.js";
import { type TextKey, t } from "./texts.js";

export function Dialogs() {
  if (state.dialog === "keys") return <Keys />;
  if (state.dialog === "settings") return <Settings />;
  if (state.dialog === "hand-over") return <HandOver />;
  if (state.dialog === "incident") return <Incident />;
  return null;
}

const incident = later(() => import("./desk/incident.js"));
const handOver = later(() => import("./desk/hand-over.js"));

function Incident() {
  const Dialog = incident()?.IncidentDialog;
  return Dialog ? <Dialog /> : null;
}

function HandOver() {
  const Dialog = handOver()?.HandOverDialog;
  return Dialog ? <Dialog /> : null;
}

/** On the live side. */
const KEYS: KeyLine<TextKey>[] = [
  [["N"], "queue.take"],
  [["W"], "queue.wait"],
  [["J"], "keys.urgent"],
  [["1", "9"], "keys.number"],
  [["↑", "↓"], "keys.arrows"],
  [["R"], "keys.write"],
  [["/"], "keys.canned"],
  [["I"], "keys.incident"],
  [["P"], "keys.history"],
  [["M"], "keys.map"],
  [["H"], "hand-over.button"],
  [["C"], "close.button"],
  [["Z"], "close.undo"],
  [["Esc"], "keys.leave"],
];
const ANYWHERE: KeyLine<TextKey> = [["?"], "keys.title"];

function Keys() {
  const lines: KeyLine[] = isLiveShown() ? KEYS : keysOf(currentPlace().area);
  return (
    <Dialog title={t("keys.title")} onClose={closeDialog}>
      <table class="keys">
        <tbody>
          {[...lines, ANYWHERE].map(([keys, text]) => (
            <tr key={text}>
              <th scope="row">
                {keys.map((key, index) => (
                  <span key={key}>
                    {index > 0 && " – "}
                    <kbd>{key}</kbd>
                  </span>
                ))}
              </th>
              <td>{textOf<string>(text)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="faint">{t("keys.alt")}</p>
    </Dialog>
  );
}

function Settings() {
  return (
    <Dialog title={t("menu.title")} onClose={closeDialog}>
      <Preferences />
      <p class="faint">{t("account.as", { email: state.user?.email ?? "" })}</p>
      <button type="button" onClick={signOut}>
        {t("account.sign-out")}
      </button>
    </Dialog>
  );
}

/** What this device remembers: language, sound, quiet mode, notifications. */
export function Preferences() {
  const id = useId();
  const choose = async (language: Language) => {
    try {
      await loadTexts(language);
      saveSetting("language", language);
    } catch (error) {
      // Without network there is only the language that was used before.
      console.info("The language could not be loaded.", error);
    }
    update();
  };
  return (
    <>
      <div>
        <label for={id}>{t("language.label")}</label>
        <select id={id} value={currentLanguage()} onChange={(change) => choose(change.currentTarget.value as Language)}>
          {Object.entries(LANGUAGES).map(([language, name]) => (
            <option key={language} value={language} lang={language}>
              {name}
            </option>
          ))}
        </select>
      </div>
      <label class="switch">
        <input
          type="checkbox"
          checked={wantsSound()}
          onChange={({ currentTarget }) => setSound(currentTarget.checked)}
        />
        <span>{t("settings.sound")}</span>
      </label>
      <label class="switch">
        <input type="checkbox" checked={isQuiet()} onChange={({ currentTarget }) => beQuiet(currentTarget.checked)} />
        <span>
          {t("quiet.label")}: {t("quiet.text")}
        </span>
      </label>
      {canNotify() && (
        <label class="switch">
          <input
            type="checkbox"
            checked={wantsNotifications()}
            disabled={isNotifyingRefused()}
            onChange={({ currentTarget }) => setNotifications(currentTarget.checked)}
          />
          <span>{t(isNotifyingRefused() ? "settings.refused" : "settings.notify")}</span>
        </label>
      )}
    </>
  );
}

function beQuiet(wanted: boolean): void {
  setQuiet(wanted);
  update();
}
