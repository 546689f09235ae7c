/** What the canary has found, which walks the whole path of a request for help as people do. */
import type { CanaryRun } from "@mayday/client";
import { useEffect } from "preact/hooks";
import { announce } from "../../ui/announce.js";
import { currentLanguage } from "../../ui/i18n.js";
import { Icon } from "../../ui/icon.js";
import { addStyle } from "../../ui/style.js";
import { messenger } from "../account.js";
import { useLoad } from "../kit/load.js";
import { clockOf } from "../texts.js";
import style from "./strip.css" with { type: "text" };
import { type CanaryKey, t } from "./texts.js";

addStyle(style);

const EVERY_MS = 30_000;
/** The canary walks every 30 s, and is read as often. */
const OLD_MS = 90_000;

const STEPS: Partial<Record<NonNullable<CanaryRun["failedStep"]>, CanaryKey>> = {
  connect: "canary.connect",
  press: "canary.press",
  take: "canary.take",
  talk_to_participant: "canary.talk",
  talk_to_organizer: "canary.talk",
  close: "canary.close",
};

export function Canary() {
  const { data, readAt, reload } = useLoad("canary", [], (signal) => messenger.canary({ signal, attempts: 1 }));
  useEffect(() => {
    const timer = setInterval(() => document.hidden || reload(), EVERY_MS);
    return () => clearInterval(timer);
  }, [reload]);
  const checkedAt = data ? readAt - data.ageSeconds * 1000 : 0;
  const problem = data && problemOf(data, checkedAt);
  useEffect(() => {
    if (problem) announce(problem);
  }, [problem]);
  // Where no canary runs there is nothing to say.
  if (!data) return null;
  return (
    <p class={problem ? "problem" : "checked"}>
      <Icon name={problem ? "warning" : "check"} />
      <span class="tabular">{problem ?? t("canary.ok", { ago: ago(checkedAt) })}</span>
    </p>
  );
}

/** What is wrong, if anything is. */
function problemOf(run: CanaryRun, checkedAt: number): string | undefined {
  if (Date.now() - checkedAt > OLD_MS) return t("canary.old", { time: clockOf(checkedAt) });
  if (run.ok || !run.failedStep) return undefined;
  const step = t(STEPS[run.failedStep] ?? "canary.sign-in");
  return t("canary.fails", { step, time: clockOf(Date.parse(run.failingSince ?? run.checkedAt)) });
}

/** "12 sec. ago". */
function ago(time: number): string {
  const seconds = Math.max(0, Math.floor((Date.now() - time) / 1000));
  return new Intl.RelativeTimeFormat(currentLanguage(), { style: "short" }).format(-seconds, "second");
}
