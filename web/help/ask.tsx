/** Before the press: the button, and what can be told beside it. */

import type { Press } from "@mayday/client";
import { t } from "../ui/i18n.js";
import { Icon } from "../ui/icon.js";
import { phoneAddress } from "../ui/text.js";
import { Message } from "./chat.js";
import { DetailFields } from "./details.js";
import { askForHelp } from "./device.js";
import { currentChat, device, helpNumber, state, update } from "./state.js";

/** `last` is a press that is over. */
export function AskScreen({ last }: { last: Press | undefined }) {
  const press = () => {
    if (!state.eventId) return;
    void askForHelp(device, state.eventId, () => update({ details: {} }), state.details);
  };
  return (
    <>
      {last && <Over press={last} />}
      <button type="button" class="press" onClick={press}>
        <Icon name="ring" />
        <span>{t(last?.step === "ended" ? "press.again" : "press.button")}</span>
      </button>
      {!last && <p>{t("press.hint")}</p>}
      <CallTeam />
      <section class="details stack">
        <h2>{t("details.title")}</h2>
        <p class="faint">{t("details.optional")}</p>
        <DetailFields details={state.details} onChange={(details) => update({ details })} />
        <h3>{t("where.title")}</h3>
        <p>{t("where.before")}</p>
      </section>
      <p>
        <a class="button plain" href="/help">
          {t("event.other")}
        </a>
      </p>
    </>
  );
}

function Over({ press }: { press: Press }) {
  if (press.step === "failed") {
    return (
      <div class="notice" role="alert">
        <Icon name="warning" />
        <p>
          {t("ladder.refused")}
          {press.failure && `: ${press.failure.message}`}
        </p>
      </div>
    );
  }
  const lost = currentChat()?.messages.filter(({ state }) => state === "failed");
  return (
    <section class="stack">
      <h2>{t(press.cancelled ? "takeback.done" : "ended.title")}</h2>
      {lost?.[0] && (
        <div role="alert">
          <ol class="log">
            {lost.map((message) => (
              <Message key={message.key} message={message} />
            ))}
          </ol>
        </div>
      )}
      <p>{t("ended.text")}</p>
    </section>
  );
}

/** The team's number, where the agency publishes one. */
export function CallTeam({ short = false }: { short?: boolean }) {
  const number = helpNumber();
  if (!number) return null;
  return (
    <a class="button" href={phoneAddress(number)}>
      <Icon name="phone" />
      <span>
        {t("call.team")}{" "}
        {!short && (
          <bdi dir="ltr" class="number">
            {number}
          </bdi>
        )}
      </span>
    </a>
  );
}
