/** The figures of one span: the sums, and each table as a chart, in words, and as a file. */
import type { AgencyEvent, Statistics } from "@mayday/client";
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { currentLanguage, currentLocale, number } from "../../ui/i18n.js";
import { PersonText } from "../../ui/text.js";
import { saveFile } from "../kit/download.js";
import { duration } from "../texts.js";
import type { ChartKind, ChartView } from "./chart.js";
import { type Cell, csvOf } from "./csv.js";
import { byChats, nameOf, type Organizer } from "./organizers.js";
import { t } from "./texts.js";

interface FiguresProps {
  statistics: Statistics;
  event: AgencyEvent | undefined;
}

type Step = Statistics["series"][number];

export function Figures({ statistics: read, event }: FiguresProps) {
  const statistics = useMemo(() => ({ ...read, organizers: byChats(read.organizers) }), [read]);
  const { series, organizers, stepSeconds } = statistics;
  const save = (table: string, rows: Cell[][]) => {
    const name = ["mayday", event ? `event-${event.id}` : "all", statistics.from.slice(0, 10), table].join("-");
    saveFile(`${name}.csv`, "text/csv;charset=utf-8;header=present", csvOf(rows));
  };
  return (
    <>
      <Sums statistics={statistics} onSave={() => save("sums", sumsTable(statistics))} />
      {statistics.presses === 0 && <p class="nothing faint">{t("figures.none")}</p>}
      {statistics.presses > 0 && (
        <>
          <Section
            title={t("figures.presses-time")}
            saveLabel={t("figures.save-series")}
            onSave={() => save("series", seriesTable(series))}
          >
            <Chart
              kind="presses"
              statistics={statistics}
              legend={
                <>
                  <Key look="pressed" text={t("figures.presses")} />
                  <Key look="taken" text={t("figures.taken")} />
                </>
              }
              textOf={(index) => stepText(series[index], stepSeconds, pressesText)}
            />
          </Section>
          <Section title={t("figures.waits-time")}>
            <Chart
              kind="waits"
              statistics={statistics}
              legend={
                <>
                  <Key look="median" text={t("figures.median")} />
                  <Key look="standard" text={t("figures.standards")} />
                </>
              }
              textOf={(index) => stepText(series[index], stepSeconds, waitText)}
            />
            <SeriesInWords statistics={statistics} />
          </Section>
          <Section
            title={t("figures.organizers")}
            saveLabel={t("figures.save-organizers")}
            onSave={() => save("organizers", organizersTable(organizers))}
          >
            {organizers.length === 0 ? (
              <p class="faint">{t("figures.organizers-none")}</p>
            ) : (
              <>
                <Chart kind="organizers" statistics={statistics} textOf={(index) => organizerText(organizers[index])} />
                <Organizers organizers={organizers} />
              </>
            )}
          </Section>
        </>
      )}
    </>
  );
}

/** "0:42": seconds, as everywhere in the console. */
const lasting = (seconds: number) => duration(Math.round(seconds) * 1000);
const NONE = "–";

function Sums({ statistics, onSave }: { statistics: Statistics; onSave: () => void }) {
  const { presses, takenBack, waiting, taken, waits } = statistics;
  const share = (value: number | null) =>
    value === null ? NONE : number(value, { style: "percent", maximumFractionDigits: 0 });
  const wait = (seconds: number | null) => (seconds === null ? NONE : lasting(seconds));
  return (
    <section class="sums" aria-label={t("figures.sums")}>
      <dl>
        <Sum label={t("figures.presses")} value={number(presses)} />
        <Sum label={t("figures.taken")} value={number(taken)} />
        <Sum label={t("figures.waiting")} value={number(waiting)} needed={waiting > 0} />
        <Sum label={t("figures.taken-back")} value={number(takenBack)} />
        <Sum label={t("figures.median")} value={wait(waits.medianSeconds)} />
        <Sum label={t("figures.p90")} value={wait(waits.p90Seconds)} />
        <Sum label={t("figures.within", { n: 15 })} value={share(waits.within15Seconds)} />
        <Sum label={t("figures.within", { n: 20 })} value={share(waits.within20Seconds)} />
      </dl>
      <button type="button" class="plain" onClick={onSave}>
        {t("figures.save-sums")}
      </button>
    </section>
  );
}

function Sum({ label, value, needed }: { label: string; value: string; needed?: boolean }) {
  return (
    <div class={needed ? "needed" : ""}>
      <dt>{label}</dt>
      <dd>{value}</dd>
    </div>
  );
}

interface SectionProps {
  title: string;
  saveLabel?: string;
  onSave?: () => void;
  children: ComponentChildren;
}

function Section({ title, saveLabel, onSave, children }: SectionProps) {
  return (
    <section class="stack figure" aria-label={title}>
      <div class="row spread">
        <h2>{title}</h2>
        {onSave && (
          <button type="button" class="plain" onClick={onSave}>
            {saveLabel}
          </button>
        )}
      </div>
      {children}
    </section>
  );
}

interface ChartProps {
  kind: ChartKind;
  statistics: Statistics;
  legend?: ComponentChildren;
  /** What stands below the mouse. */
  textOf(index: number): string;
}

/** The drawing is for the eyes. The table below it says the same. */
function Chart({ kind, statistics, legend, textOf }: ChartProps) {
  const element = useRef<HTMLDivElement>(null);
  const view = useRef<ChartView>(undefined);
  const latest = useRef(statistics);
  latest.current = statistics;
  const [hovered, setHovered] = useState<number>();
  const language = currentLanguage();
  useEffect(() => {
    let isGone = false;
    const open = async () => {
      const { drawChart } = await import("./chart.js");
      if (isGone || !element.current) return;
      view.current = drawChart(element.current, kind, latest.current, setHovered);
    };
    open().catch((error) => console.info("The chart could not be loaded.", error));
    return () => {
      isGone = true;
      view.current?.remove();
      view.current = undefined;
    };
  }, [kind, language]);
  useEffect(() => view.current?.show(statistics), [statistics]);
  return (
    <div aria-hidden="true">
      <div class="row legend">
        {legend}
        <span class="tabular hovered">{hovered !== undefined && textOf(hovered)}</span>
      </div>
      <div ref={element} class={`chart of-${kind}`} dir="ltr" />
    </div>
  );
}

function Key({ look, text }: { look: "pressed" | "taken" | "median" | "standard"; text: string }) {
  return (
    <span class="key">
      <i class={look} />
      {text}
    </span>
  );
}

function stepText(step: Step | undefined, stepSeconds: number, textOf: (step: Step) => string): string {
  return step ? `${stepTime(step, stepSeconds)}: ${textOf(step)}` : "";
}

function pressesText({ presses, taken }: Step): string {
  return t("figures.step-presses", { n: presses, taken });
}

function waitText({ medianWaitSeconds }: Step): string {
  if (medianWaitSeconds === null) return t("figures.step-no-wait");
  return t("figures.step-wait", { wait: lasting(medianWaitSeconds) });
}

/** The name is on the axis. */
function organizerText(organizer: Organizer | undefined): string {
  return organizer ? `${t("figures.chats")}: ${number(organizer.chats)}` : "";
}

/** "18:00 – 18:05", with the day where the span has more than one. */
function stepTime({ at }: Step, stepSeconds: number): string {
  const start = new Date(at);
  const end = new Date(start.getTime() + stepSeconds * 1000);
  const format = new Intl.DateTimeFormat(currentLocale(), {
    ...{ day: "numeric", month: "short", hour: "numeric", minute: "2-digit" },
  });
  return format.formatRange(start, end);
}

function SeriesInWords({ statistics }: { statistics: Statistics }) {
  const { series, stepSeconds } = statistics;
  return (
    <details>
      <summary>{t("figures.table")}</summary>
      <p class="faint">{t("figures.table-hint")}</p>
      <table class="table">
        <thead>
          <tr>
            <th scope="col">{t("figures.time")}</th>
            <th scope="col" class="number">
              {t("figures.presses")}
            </th>
            <th scope="col" class="number">
              {t("figures.taken")}
            </th>
            <th scope="col" class="number">
              {t("figures.median")}
            </th>
          </tr>
        </thead>
        <tbody>
          {series
            .filter(({ presses }) => presses > 0)
            .map((step) => (
              <tr key={step.at}>
                <th scope="row" class="tabular">
                  {stepTime(step, stepSeconds)}
                </th>
                <td class="number">{number(step.presses)}</td>
                <td class="number">{number(step.taken)}</td>
                <td class="number">{step.medianWaitSeconds === null ? NONE : lasting(step.medianWaitSeconds)}</td>
              </tr>
            ))}
        </tbody>
      </table>
    </details>
  );
}

function Organizers({ organizers }: { organizers: Organizer[] }) {
  return (
    <table class="table organizers">
      <thead>
        <tr>
          <th scope="col">{t("figures.organizer")}</th>
          <th scope="col" class="number">
            {t("figures.chats")}
          </th>
          <th scope="col" class="number">
            {t("figures.median")}
          </th>
          <th scope="col" class="number">
            {t("figures.length")}
          </th>
        </tr>
      </thead>
      <tbody>
        {organizers.map((organizer) => {
          const { organizerId, chats, medianWaitSeconds, medianMinutes } = organizer;
          return (
            <tr key={organizerId}>
              <th scope="row">
                <div class="organizer-name">
                  <PersonText>{nameOf(organizer)}</PersonText>
                </div>
              </th>
              <td class="number">{number(chats)}</td>
              <td class="number">{medianWaitSeconds === null ? NONE : lasting(medianWaitSeconds)}</td>
              <td class="number">{medianMinutes === null ? NONE : lasting(medianMinutes * 60)}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

// The files speak to programs: names as the service has them, times in UTC.
function sumsTable(statistics: Statistics): Cell[][] {
  const { eventId, from, to, presses, takenBack, waiting, taken, waits } = statistics;
  const row = { eventId, from, to, presses, takenBack, waiting, taken, ...waits };
  return [Object.keys(row), Object.values(row)];
}

function seriesTable(series: Step[]): Cell[][] {
  const rows = series.map(({ at, presses, taken, medianWaitSeconds }) => [at, presses, taken, medianWaitSeconds]);
  return [["at", "presses", "taken", "medianWaitSeconds"], ...rows];
}

function organizersTable(organizers: Statistics["organizers"]): Cell[][] {
  const rows = organizers.map((row) => [
    ...[row.organizerId, row.name, row.chats, row.medianWaitSeconds, row.medianMinutes],
  ]);
  return [["organizerId", "name", "chats", "medianWaitSeconds", "medianMinutes"], ...rows];
}
