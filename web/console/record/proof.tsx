/** Whether the record is still what was recorded, and what is needed to check that elsewhere. */
import type { Verdict } from "@mayday/client";
import { number } from "../../ui/i18n.js";
import { Icon } from "../../ui/icon.js";
import { useAction } from "../kit/action.js";
import { saveFile } from "../kit/download.js";
import { allOf, useLoad } from "../kit/load.js";
import { ProblemLine, Shown } from "../kit/parts.js";
import { clockOf } from "../texts.js";
import { administratorsRecord, KINDS, type Source } from "./source.js";
import { type RecordKey, t } from "./texts.js";

/** What the service says is wrong with a row. */
const FAULTS: Record<string, RecordKey> = {
  "the row cannot be read": "record.fault-unreadable",
  "the row or its place is not what was hashed": "record.fault-row",
  "the value is not what was sealed": "record.fault-value",
  "the value was blanked and then changed": "record.fault-replaced",
  "the value was blanked, but nobody was deleted": "record.fault-blanked",
  "the seal is incomplete": "record.fault-seal",
};

export function Proof({ source }: { source: Source }) {
  const verdict = useLoad(`record/${source.name}/verify`, KINDS, (signal) => source.record.verify({ signal }));
  const { busy, problem, run } = useAction();
  const download = () =>
    run(async () => {
      const rows = await allOf((page) => source.record.chain(page));
      saveFile(`mayday-record-${source.name}.json`, "application/json", JSON.stringify(rows, null, 1));
    });
  return (
    <section class="proof stack" aria-labelledby="proof-title">
      <h2 id="proof-title">{t("record.proof")}</h2>
      <Shown of={verdict}>{(data) => <Sentence verdict={data} checkedAt={verdict.readAt} />}</Shown>
      {source === administratorsRecord && <p class="faint">{t("record.outside")}</p>}
      {problem && <ProblemLine text={problem} />}
      <div class="row">
        <button type="button" onClick={verdict.reload}>
          {t("record.check")}
        </button>
        <button type="button" disabled={busy} onClick={download}>
          <Icon name="install" />
          {t("record.download")}
        </button>
      </div>
    </section>
  );
}

function Sentence({ verdict, checkedAt }: { verdict: Verdict; checkedAt: number }) {
  const { holds, rows, head, brokenAt } = verdict;
  const checked = <span class="faint tabular">{t("record.checked", { time: clockOf(checkedAt) })}</span>;
  if (!holds) {
    return (
      <>
        <p class="problem" role="alert">
          <Icon name="warning" />
          <span>
            {brokenAt?.id == null
              ? t("record.cut-off", { n: rows })
              : t("record.broken", { n: rows, id: number(brokenAt.id) })}
          </span>
        </p>
        {brokenAt?.id != null && <Fault reason={brokenAt.reason} />}
        <p>{checked}</p>
      </>
    );
  }
  return (
    <>
      <p role="status">
        <Icon name="check" /> <strong>{t("record.holds", { n: rows, head: `${head.slice(0, 8)}…` })}</strong> {checked}
      </p>
      {head && (
        <p class="faint">
          {t("record.keep")}{" "}
          <code dir="ltr" class="head">
            {head}
          </code>
        </p>
      )}
    </>
  );
}

/** A reason that is not known here is told as the service tells it. */
function Fault({ reason }: { reason: string }) {
  const key = Object.hasOwn(FAULTS, reason) && FAULTS[reason];
  return (
    <p>
      {key ? (
        t(key)
      ) : (
        <span lang="en" dir="ltr">
          {reason}
        </span>
      )}
    </p>
  );
}
