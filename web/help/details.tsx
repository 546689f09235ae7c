/** What can be told beside the press: what it is, a few words, where. All of it is optional. */
import type { RequestDetails, RequestKind } from "@mayday/client";
import { announce } from "../ui/announce.js";
import { ageOf, distance, type TextKey, t } from "../ui/i18n.js";
import { Icon } from "../ui/icon.js";
import { locate, where } from "./location.js";

/** The service takes 2,000 bytes: in any script, this many characters. */
const LONGEST = 660;
const KINDS: Record<RequestKind, TextKey> = {
  medical: "kind.medical",
  lost: "kind.lost",
  threat: "kind.threat",
  other: "kind.other",
};

export function DetailFields(props: { details: RequestDetails; onChange: (details: RequestDetails) => void }) {
  const { details, onChange } = props;
  return (
    <>
      <fieldset>
        <legend>{t("kind.label")}</legend>
        <div class="kinds">
          {(Object.keys(KINDS) as RequestKind[]).map((kind) => (
            <label class="kind" key={kind}>
              <input
                type="radio"
                name="kind"
                checked={details.kind === kind}
                onChange={() => onChange({ ...details, kind })}
              />
              <Icon name={kind} />
              <span>{t(KINDS[kind])}</span>
            </label>
          ))}
        </div>
      </fieldset>
      <div>
        <label for="words">{t("words.label")}</label>
        <p id="words-hint" class="faint">
          {t("words.hint")}
        </p>
        <textarea
          id="words"
          aria-describedby="words-hint"
          dir="auto"
          rows={2}
          maxLength={LONGEST}
          value={details.description ?? ""}
          onInput={(input) => onChange({ ...details, description: input.currentTarget.value })}
        />
      </div>
    </>
  );
}

/** The position: how accurate and how old, or that the request counts without it too. */
export function WhereLine({ onFix }: { onFix: (fix: RequestDetails) => void }) {
  const find = async () => {
    const located = locate();
    announce(whereText());
    const fix = await located;
    announce(whereText());
    if (fix) onFix(fix);
  };
  return (
    <div>
      <h3>{t("where.title")}</h3>
      <p class="row">
        <Icon name="pin" />
        <span class="grow">{whereText()}</span>
      </p>
      <button type="button" onClick={find}>
        {t("where.retry")}
      </button>
    </div>
  );
}

/** The position, or why there is none. */
export function whereText(): string {
  if (where.state === "known") {
    const { accuracy, positionAt } = where.fix;
    return t("where.known", { distance: distance(accuracy), age: ageOf(positionAt) });
  }
  if (where.state === "asking") return t("where.asking");
  return t(where.state === "unavailable" ? "where.unavailable" : "where.denied");
}
