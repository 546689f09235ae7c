/** What the screens of incidents share. */
import type { Issue, IssuePriority, IssueStatus } from "@mayday/client";
import { useEffect } from "preact/hooks";
import { Icon, type IconName } from "../../ui/icon.js";
import { type IncidentKey, t } from "./texts.js";

export const STATUSES: Record<IssueStatus, { icon: IconName; text: IncidentKey }> = {
  to_do: { icon: "later", text: "incidents.to-do" },
  in_progress: { icon: "clock", text: "incidents.in-progress" },
  resolved: { icon: "check", text: "incidents.resolved" },
  cancelled: { icon: "close", text: "incidents.cancelled" },
};

/** The most urgent first. */
export const PRIORITIES: Record<IssuePriority, IncidentKey> = {
  high: "incidents.high",
  medium: "incidents.medium",
  low: "incidents.low",
};

export function isOpen({ status }: Issue): boolean {
  return status === "to_do" || status === "in_progress";
}

export function Status({ of }: { of: IssueStatus }) {
  const { icon, text } = STATUSES[of];
  return (
    <span class={`incident-status ${of}`}>
      <Icon name={icon} />
      {t(text)}
    </span>
  );
}

export function Priority({ of }: { of: IssuePriority }) {
  return <span class={`incident-priority ${of}`}>{t(PRIORITIES[of])}</span>;
}

/** Nothing tells a page what colleagues do to incidents: while somebody sees them they are read again. */
export function useRereading(reload: () => void, everyMs = 15_000): void {
  useEffect(() => {
    const timer = setInterval(() => document.hidden || reload(), everyMs);
    return () => clearInterval(timer);
  }, [reload, everyMs]);
}
