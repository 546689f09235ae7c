/** The parts that the screens of all areas are made of. */
import type { Timestamp } from "@mayday/client";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { currentLocale, timeOf } from "../../ui/i18n.js";
import { Icon } from "../../ui/icon.js";
import { isLive } from "../state.js";
import { clockOf, t } from "../texts.js";
import type { Loaded, Pages } from "./load.js";

/** A screen: its title, what can be done with the whole of it, and what it shows. */
export function Page(props: {
  title: ComponentChildren;
  back?: [string, string];
  actions?: ComponentChildren;
  children?: ComponentChildren;
}) {
  const { title, back, actions, children } = props;
  return (
    <main class="page">
      {back && (
        <p class="way-back">
          <a href={back[1]}>
            <bdi dir="auto">{back[0]}</bdi>
          </a>
        </p>
      )}
      <header class="row spread">
        <h1>{title}</h1>
        {actions && <div class="row">{actions}</div>}
      </header>
      {children}
    </main>
  );
}

export function ProblemLine({ text, retry }: { text: string; retry?: () => void }) {
  return (
    <p class="problem" role="alert">
      <Icon name="warning" />
      <span>{text}</span>
      {retry && (
        <button type="button" onClick={retry}>
          {t("error.retry")}
        </button>
      )}
    </p>
  );
}

/** What was read, or that it is being read, or why it could not be. Old data stays, and says how old it is. */
export function Shown<T>({ of, children }: { of: Loaded<T>; children: (data: T) => ComponentChildren }) {
  const { data, problem, isUnanswered, readAt, reload } = of;
  const text = problem && data !== undefined ? t("error.as-of", { problem, time: clockOf(readAt) }) : problem;
  return (
    <>
      {text && <ProblemLine text={isUnanswered && isLive() ? `${text} ${t("area.chats")}` : text} retry={reload} />}
      {data !== undefined ? children(data) : !problem && <p class="faint">{t("list.loading")}</p>}
    </>
  );
}

/** The end of a list that has more rows: reads them once it is seen. */
export function More({ pages }: { pages: Pages<unknown> }) {
  const end = useRef<HTMLButtonElement>(null);
  const more = useRef(pages.more);
  more.current = pages.more;
  const count = pages.data?.length;
  useEffect(() => {
    if (!end.current) return;
    // What has changed since comes in one call: the last is what holds.
    const look = (entries: IntersectionObserverEntry[]) => entries.at(-1)?.isIntersecting && more.current();
    const observer = new IntersectionObserver(look, { root: end.current.closest(".page"), rootMargin: "600px" });
    observer.observe(end.current);
    return () => observer.disconnect();
    // A page may be too short to move the end out of sight: it is looked at anew after each.
  }, [count, pages.hasMore]);
  if (!pages.hasMore) return null;
  return (
    <button ref={end} type="button" class="plain" onClick={() => more.current()}>
      {t("list.more")}
    </button>
  );
}

/** A label and its value, in a list of facts. */
export function Fact({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** Says what to do where there is nothing yet. */
export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="nothing faint">{children}</p>;
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["hour", 3_600_000],
  ["minute", 60_000],
];

/** A time: relative while it is near, the day and the time of day when it is far. The exact time is in the title. */
export function When({ at }: { at: Timestamp }) {
  return (
    <time class="tabular" dateTime={at} title={new Date(at).toLocaleString(currentLocale())}>
      {nearOf(at) ?? timeOf(at)}
    </time>
  );
}

function nearOf(at: Timestamp): string | undefined {
  const passed = Date.now() - Date.parse(at);
  if (Math.abs(passed) >= 12 * 3_600_000) return undefined;
  const format = new Intl.RelativeTimeFormat(currentLocale(), { numeric: "auto" });
  const step = STEPS.find(([, milliseconds]) => Math.abs(passed) >= milliseconds);
  return step ? format.format(-Math.trunc(passed / step[1]), step[0]) : format.format(0, "second");
}
