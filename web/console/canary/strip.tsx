/** What the canary has found, which walks the whole path of a request for help as people do. */
import type { CanaryRun } from "@mayday/client";
import { useEffect, useRef } from "preact/hooks";
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

/** A run begins every 30 s, and is reported a moment later. */
const DUE_MS = 31_000;
/** If the path is whole, a run is over and reported 5 s after it began. So an older one is a problem. */
const OLD_MS = 35_000;
/** How often a run is asked for that is due. */
const EVERY_MS = 3_000;
const PATIENCE_MS = 2_500;

const STEPS: Partial<Record<NonNullable<CanaryRun["failedStep"]>, CanaryKey>> = {
  connect: "canary.connect",
  press: "canary.press",
  take: "canary.take",
  talk_to_participant: "canary.talk",
  talk_to_organizer: "canary.talk",
  close: "canary.close",
};

export function Canary() {
  const {
    data,
    readAt,
    problem: unanswered,
    reload,
  } = useLoad("canary", [], () => messenger.canary({ signal: AbortSignal.timeout(PATIENCE_MS), attempts: 1 }));
  const checkedAt = data ? readAt - data.ageSeconds * 1000 : 0;
  const dueAt = useRef(0);
  dueAt.current = (data ? checkedAt : readAt) + DUE_MS;
  useEffect(() => {
    const timer = setInterval(() => document.hidden || Date.now() < dueAt.current || reload(), EVERY_MS);
    return () => clearInterval(timer);
  }, [reload]);
  // While nobody saw the page, nothing was asked. So what it knows counts as of when it asked, not as of now.
  const problem = data && problemOf(data, checkedAt, unanswered ? Date.now() : readAt);
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

/** What is wrong, if anything is, as of a time until which a newer run would be known. */
function problemOf(run: CanaryRun, checkedAt: number, knownAt: number): string | undefined {
  if (knownAt - checkedAt > OLD_MS) return t("canary.old", { time: clockOf(checkedAt) });
  if (run.ok || !run.failedStep) return undefined;
  const step = t(STEPS[run.failedStep] ?? "canary.sign-in");
  return t("canary.fails", { step, time: clockOf(Date.parse(run.failingSince ?? run.checkedAt)) });
}

/** "12 sec. ago". */
function ago(time: number): string {
  const seconds = Math.max(0, Math.floor((Date.now() - time) / 1000));
  return new Intl.RelativeTimeFormat(currentLanguage(), { style: "short" }).format(-seconds, "second");
}
