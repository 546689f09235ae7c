/** The charts. They are loaded with uPlot, when the first of them is seen. */
import type { Statistics } from "@mayday/client";
import uPlot from "uplot";
import uplotStyle from "uplot/dist/uPlot.min.css" with { type: "text" };
import { currentLocale, number, withoutBidi } from "../../ui/i18n.js";
import { addStyle } from "../../ui/style.js";
import { duration } from "../texts.js";
import { nameOf } from "./organizers.js";

export type ChartKind = "presses" | "waits" | "organizers";

export interface ChartView {
  show(statistics: Statistics): void;
  remove(): void;
}

/** How quickly emergency services want to answer, in seconds. */
const STANDARDS = [15, 20];
const HEIGHT = 240;
/** Of an organizer, and of the numbers below the last one. */
const LINE_HEIGHT = 28;
const AXIS_HEIGHT = 44;
const NAME_WIDTH = 180;
const NAME_LENGTH = 20;
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
  const size = () => ({ width: element.clientWidth, height: heightOf(kind, shown) });
  const options = kind === "organizers" ? organizerOptions(() => shown) : timeOptions(kind, () => shown);
  const hooks = { ...options.hooks, setCursor: [({ cursor }: uPlot) => onHover(cursor.idx ?? undefined)] };
  const chart = new uPlot({ ...size(), ...COMMON, ...options, hooks }, dataOf(kind, shown), element);
  const redraw = () => chart.redraw();
  const resize = () => {
    const { width, height } = size();
    if (width && (width !== chart.width || height !== chart.height)) chart.setSize({ width, height });
  };
  const observer = new ResizeObserver(resize);
  observer.observe(element);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", redraw);
  const quiet = new MutationObserver(redraw);
  quiet.observe(document.documentElement, { attributeFilter: ["data-quiet"] });
  return {
    show(statistics) {
      shown = statistics;
      chart.setData(dataOf(kind, statistics));
      resize();
    },
    remove() {
      observer.disconnect();
      quiet.disconnect();
      scheme.removeEventListener("change", redraw);
      chart.destroy();
    },
  };
}

/** Each organizer has a line. */
function heightOf(kind: ChartKind, { organizers }: Statistics): number {
  return kind === "organizers" ? organizers.length * LINE_HEIGHT + AXIS_HEIGHT : HEIGHT;
}

function dataOf(kind: ChartKind, { series, organizers }: Statistics): uPlot.AlignedData {
  if (kind === "organizers") return [organizers.map((_, index) => index), organizers.map(({ chats }) => chats)];
  const times = series.map(({ at }) => Date.parse(at));
  // None at all is no bar, where nought would be a line.
  const bars = (values: number[]) => values.map((value) => value || null);
  if (kind === "presses") {
    return [times, bars(series.map(({ presses }) => presses)), bars(series.map(({ taken }) => taken))];
  }
  return [times, series.map(({ medianWaitSeconds }) => medianWaitSeconds)];
}

const RULE = { stroke: raised, width: 1 };
const AXIS = { font: FONT, stroke: faint, ticks: { show: false }, border: { show: true, stroke: line, width: 1 } };
const COMMON = { ms: 1, padding: [12, 32, 0, 0], legend: { show: false } } satisfies Partial<uPlot.Options>;
const CURSOR = { y: false, drag: { x: false, y: false } };

/** How much there was at each time: from left to right. */
function timeOptions(kind: ChartKind, shown: () => Statistics): Omit<uPlot.Options, "width" | "height"> {
  const isCount = kind === "presses";
  return {
    cursor: { ...CURSOR, points: { show: !isCount, fill: text } },
    scales: {
      x: { time: true, range: () => spanOf(shown()) },
      y: { range: (_, __, most) => [0, Math.max(isCount ? 4 : 25, (most ?? 0) * 1.1)] },
    },
    axes: [
      {
        ...AXIS,
        incrs: TIME_STEPS,
        gap: 10,
        size: 52,
        grid: { show: false },
        space: 80,
        values: (_, splits, __, ___, step) => timesOf(splits, step),
      },
      {
        ...AXIS,
        border: { show: false },
        grid: RULE,
        size: 56,
        incrs: isCount ? COUNT_STEPS : WAIT_STEPS,
        values: (_, splits) => splits.map((value) => (isCount ? number(value) : duration(value * 1000))),
      },
    ],
    series: [{}, ...(isCount ? COUNTS : WAITS)],
    hooks: { drawClear: isCount ? [] : [drawStandards] },
  };
}

/** How much each organizer has done: from top to bottom. */
function organizerOptions(shown: () => Statistics): Omit<uPlot.Options, "width" | "height"> {
  return {
    cursor: { ...CURSOR, points: { show: false } },
    scales: {
      x: { time: false, ori: 1, dir: -1, range: () => [-0.5, shown().organizers.length - 0.5] },
      y: { ori: 0, range: (_, __, most) => [0, Math.max(4, most ?? 0)] },
    },
    axes: [
      {
        ...AXIS,
        side: 3,
        size: NAME_WIDTH,
        gap: 8,
        grid: { show: false },
        splits: () => shown().organizers.map((_, index) => index),
        values: () => shown().organizers.map((organizer) => shortened(withoutBidi(nameOf(organizer)))),
      },
      {
        ...AXIS,
        side: 2,
        size: AXIS_HEIGHT - 12,
        border: { show: false },
        grid: RULE,
        incrs: COUNT_STEPS,
        values: (_, splits) => splits.map((value) => number(value)),
      },
    ],
    series: [{}, { paths: lines, fill: faint, stroke: faint, width: 1, points: { show: false } } as uPlot.Series],
  };
}

/** The whole name is in the table. */
function shortened(name: string): string {
  const characters = [...name.replace(/\s+/g, " ")];
  return characters.length <= NAME_LENGTH ? characters.join("") : `${characters.slice(0, NAME_LENGTH - 1).join("")}…`;
}

const bars = uPlot.paths.bars?.({ align: 1, size: [0.85, 48] });
const lines = uPlot.paths.bars?.({ size: [0.6, 20] });
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
