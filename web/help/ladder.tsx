/** After the press: the honest ladder. Each rung is true when it is shown. */
import type { Press, RequestDetails } from "@mayday/client";
import { Question } from "../ui/dialog.js";
import { type TextKey, t, timeOf } from "../ui/i18n.js";
import { Icon } from "../ui/icon.js";
import { CallTeam } from "./ask.js";
import { DetailFields, WhereLine } from "./details.js";
import { device, isForgetful, state, update } from "./state.js";

type RungState = "done" | "now" | "later";
const STATES: Record<RungState, TextKey> = { done: "ladder.done", now: "ladder.now", later: "ladder.later" };

export function LadderScreen({ press }: { press: Press }) {
  const takeBack = () => {
    update({ question: undefined });
    void device.queue.cancel(press.eventId);
  };
  const { cancelling, failure } = press;
  return (
    <>
      <section class="stack">
        <h2>{t("ladder.title")}</h2>
        <ol class="ladder">
          <Ladder press={press} />
        </ol>
        {cancelling && failure && (
          <p class="notice" role="alert">
            {t("takeback.unavailable")}
          </p>
        )}
      </section>
      <CallTeam />
      <MoreDetails press={press} />
      <button type="button" disabled={cancelling && !failure} onClick={() => update({ question: "take-back" })}>
        {t("takeback.button")}
      </button>
      {state.question === "take-back" && (
        <Question
          title={t("takeback.title")}
          text={t("takeback.text")}
          yes={t("takeback.confirm")}
          no={t("takeback.keep")}
          onYes={takeBack}
          onNo={() => update({ question: undefined })}
        />
      )}
    </>
  );
}

function Ladder({ press }: { press: Press }) {
  const { step, receivedAt } = press;
  const there = step === "taken" || step === "read";
  return (
    <>
      <Rung state="done" text={t(isForgetful() ? "ladder.unsaved" : "ladder.saved")} time={press.pressedAt} />
      {receivedAt ? (
        <Rung state="done" text={t("ladder.sent")} />
      ) : (
        <Rung state="now" text={t(step === "sent" ? "ladder.sending" : "delivery.unsaved")}>
          {step === "kept" && <Delay press={press} />}
        </Rung>
      )}
      <Rung
        state={receivedAt ? (step === "safe" ? "now" : "done") : "later"}
        text={t("ladder.safe")}
        time={receivedAt}
      />
      <Rung
        state={there ? "done" : step === "waiting" ? "now" : "later"}
        text={step === "waiting" ? placeText(press) : t("ladder.queue")}
      >
        {step === "waiting" && <p>{waitText(press)}</p>}
      </Rung>
      <Rung state={step === "read" ? "done" : there ? "now" : "later"} text={withText(press)} there={there} />
      <Rung state={step === "read" ? "now" : "later"} text={t("ladder.read")} />
    </>
  );
}

function Rung(props: {
  state: RungState;
  text: string;
  time?: string | undefined;
  there?: boolean;
  children?: preact.ComponentChildren;
}) {
  const { state, there } = props;
  return (
    <li class={`rung ${state} ${there ? "there" : ""}`} aria-current={state === "now" ? "step" : undefined}>
      <Icon name={there ? "person" : state === "done" ? "check" : state === "now" ? "clock" : "later"} />
      <div class="grow">
        {props.text}
        <span class="unseen">, {t(STATES[state])}</span>{" "}
        {props.time && <time dateTime={props.time}>{timeOf(props.time)}</time>}
        {props.children}
      </div>
    </li>
  );
}

/** Why it has not been sent, and that nothing need be done about it. */
function Delay({ press }: { press: Press }) {
  if (!press.failure && state.online) return null;
  return (
    <>
      <p>{t(state.online ? "ladder.unanswered" : "ladder.offline")}</p>
      <button type="button" onClick={() => device.queue.wake()}>
        {t("ladder.try")}
      </button>
    </>
  );
}

/** What is to be said aloud when a press comes to a new step. */
export function stepText(press: Press): string {
  switch (press.step) {
    case "kept":
      return t(isForgetful() ? "ladder.unsaved" : "ladder.saved");
    case "sent":
      return t("ladder.sending");
    case "safe":
      return t("ladder.safe");
    case "waiting":
      return `${placeText(press)}. ${waitText(press)}`;
    case "taken":
      return withText(press);
    case "read":
      return t("ladder.read");
    case "ended":
      return t(press.cancelled ? "takeback.done" : "ended.title");
    case "failed":
      return t("ladder.refused");
  }
}

export function withText({ organizerName }: Press): string {
  return organizerName ? t("ladder.with", { name: organizerName }) : t("ladder.with-team");
}

export function placeText({ position = 1 }: Press): string {
  return position === 1 ? t("ladder.next") : t("ladder.place", { n: position });
}

export function waitText({ estimatedWaitSeconds = -1 }: Press): string {
  if (estimatedWaitSeconds < 0) return t("ladder.wait-unknown");
  if (estimatedWaitSeconds < 60) return t("ladder.wait-short");
  return t("ladder.wait", { n: Math.round(estimatedWaitSeconds / 60) });
}

/** What was not said at the press. A kind is sent as it is chosen, words when they are written. */
function MoreDetails({ press }: { press: Press }) {
  const { kind, description } = press;
  const details: RequestDetails = { ...(kind && { kind }), ...(description && { description }), ...state.details };
  const isUnsaid = (details.description ?? "") !== (description ?? "");
  const change = (now: RequestDetails) => {
    update({ details: now });
    if (now.kind && now.kind !== kind) void device.queue.addDetails(press.eventId, { kind: now.kind });
  };
  const say = (submit: SubmitEvent) => {
    submit.preventDefault();
    void device.queue.addDetails(press.eventId, { description: details.description ?? "" });
    // The button goes; what becomes of the words is said here.
    document.getElementById("told")?.focus();
  };
  return (
    <form class="details stack" onSubmit={say}>
      <h2>{t("details.title")}</h2>
      <DetailFields details={details} onChange={change} />
      {isUnsaid && (
        <button type="submit" class="strong">
          {t("details.save")}
        </button>
      )}
      <div id="told" role="status" tabIndex={-1}>
        {!isUnsaid && (kind || description) && (
          <p class="row tight">
            <Icon name="check" />
            <span>{t(press.receivedAt && !press.detailsPending ? "details.saved" : "details.kept")}</span>
          </p>
        )}
      </div>
      <WhereLine onFix={(fix) => void device.queue.addDetails(press.eventId, fix)} />
    </form>
  );
}
