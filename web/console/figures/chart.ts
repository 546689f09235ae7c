/** The charts. They are loaded with uPlot, when the first of them is seen. */
import type { Statistics } from "@mayday/client";
import uPlot from "uplot";
import uplotStyle from "uplot/dist/uPlot.min.css" with { type: "text" };
import { currentLocale, number } from "../../ui/i18n.js";
import { addStyle } from "../../ui/style.js";
import { duration } from "../texts.js";

export type ChartKind = "presses" | "waits";

export interface ChartView {
  show(statistics: Statistics): void;
  remove(): void;
}

/** How quickly emergency services want to answer, in seconds. */
const STANDARDS = [15, 20];
const HEIGHT = 240;
const FONT = "13px system-ui, sans-serif";
const COUNT_STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];
const WAIT_STEPS = [5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200];
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** Times of day have no seconds. */
const TIME_STEPS = [
  ...[1, 5, 10, 15, 30].map((minutes) => minutes * MINUTE_MS),
  ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR_MS),
  ...[1, 2, 3, 7].map((days) => days * DAY_MS),
];

addStyle(uplotStyle);

/** A colour of the page, as it is now. */
const colour = (name: string) => () => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const text = colour("--text");
const faint = colour("--faint");
const line = colour("--line");
const raised = colour("--raised");

export function drawChart(
  element: HTMLElement,
  kind: ChartKind,
  statistics: Statistics,
  onHover: (index: number | undefined) => void,
): ChartView {
  let shown = statistics;
  const chart = new uPlot(
    optionsOf(kind, element.clientWidth, () => shown, onHover),
    dataOf(kind, shown),
    element,
  );
  const redraw = () => chart.redraw();
  const size = new ResizeObserver(() => {
    const width = element.clientWidth;
    if (width && width !== chart.width) chart.setSize({ width, height: HEIGHT });
  });
  size.observe(element);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", redraw);
  const quiet = new MutationObserver(redraw);
  quiet.observe(document.documentElement, { attributeFilter: ["data-quiet"] });
  return {
    show(statistics) {
      shown = statistics;
      chart.setData(dataOf(kind, statistics));
    },
    remove() {
      size.disconnect();
      quiet.disconnect();
      scheme.removeEventListener("change", redraw);
      chart.destroy();
    },
  };
}

function dataOf(kind: ChartKind, { series }: Statistics): uPlot.AlignedData {
  const times = series.map(({ at }) => Date.parse(at));
  // None at all is no bar, where nought would be a line.
  const bars = (values: number[]) => values.map((value) => value || null);
  if (kind === "presses") {
    return [times, bars(series.map(({ presses }) => presses)), bars(series.map(({ taken }) => taken))];
  }
  return [times, series.map(({ medianWaitSeconds }) => medianWaitSeconds)];
}

function optionsOf(
  kind: ChartKind,
  width: number,
  shown: () => Statistics,
  onHover: (index: number | undefined) => void,
): uPlot.Options {
  const rule = { stroke: raised, width: 1 };
  const axis = { font: FONT, stroke: faint, ticks: { show: false }, border: { show: true, stroke: line, width: 1 } };
  const isCount = kind === "presses";
  return {
    width,
    height: HEIGHT,
    ms: 1,
    padding: [12, 32, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: !isCount, fill: text } },
    scales: {
      x: { time: true, range: () => spanOf(shown()) },
      y: { range: (_, __, most) => [0, Math.max(isCount ? 4 : 25, (most ?? 0) * 1.1)] },
    },
    axes: [
      {
        ...axis,
        incrs: TIME_STEPS,
        gap: 10,
        size: 52,
        grid: { show: false },
        space: 80,
        values: (_, splits, __, ___, step) => timesOf(splits, step),
      },
      {
        ...axis,
        border: { show: false },
        grid: rule,
        size: 56,
        incrs: isCount ? COUNT_STEPS : WAIT_STEPS,
        values: (_, splits) => splits.map((value) => (isCount ? number(value) : duration(value * 1000))),
      },
    ],
    series: [{}, ...(isCount ? COUNTS : WAITS)],
    hooks: {
      setCursor: [({ cursor }) => onHover(cursor.idx ?? undefined)],
      drawClear: isCount ? [] : [drawStandards],
    },
  };
}

const bars = uPlot.paths.bars?.({ align: 1, size: [0.85, 48] });
/** What was taken stands inside of what was pressed. */
const COUNTS: uPlot.Series[] = [
  { paths: bars, fill: raised, stroke: line, width: 1, points: { show: false } },
  { paths: bars, fill: faint, stroke: faint, width: 1, points: { show: false } },
] as uPlot.Series[];
/** In steps of time without a press there is no wait, and no line. */
const WAITS = [{ stroke: text, width: 2, points: { show: true, size: 6, fill: text } }] as uPlot.Series[];

function spanOf({ series, stepSeconds }: Statistics): [number, number] {
  const first = Date.parse(series[0]?.at ?? "") || 0;
  return [first, first + Math.max(1, series.length) * stepSeconds * 1000];
}

/** Times of day; the date stands below the first of each day. */
function timesOf(splits: number[], step: number): string[] {
  const format = (options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat(currentLocale(), options);
  const [time, date] = [format({ timeStyle: "short" }), format({ day: "numeric", month: "short" })];
  let before = "";
  return splits.map((split) => {
    const day = date.format(split);
    if (step >= DAY_MS) return day;
    const label = day === before ? time.format(split) : `${time.format(split)}\n${day}`;
    before = day;
    return label;
  });
}

function drawStandards({ ctx, bbox, valToPos }: uPlot): void {
  const { left, width, top } = bbox;
  ctx.save();
  ctx.strokeStyle = line();
  ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.lineWidth = devicePixelRatio;
  for (const seconds of STANDARDS) {
    const y = valToPos(seconds, "y", true);
    if (y < top) continue;
    ctx.beginPath();
    ctx.moveTo(left, y);
    ctx.lineTo(left + width, y);
    ctx.stroke();
  }
  ctx.restore();
}
