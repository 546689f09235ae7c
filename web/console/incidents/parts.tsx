/** What the screens of incidents share. */

import type { Issue, IssuePriority, IssueStatus } from "@mayday/client";
import { useEffect } from "preact/hooks";
import { Icon, type IconName } from "../../ui/icon.js";
import { phoneAddress } from "../../ui/text.js";
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

/** A position, as the console writes it into the incident of a chat, or a phone number with its country. */
const LINKED = /(-?\d{1,2}\.\d{4,}, -?\d{1,3}\.\d{4,}|\+\d[\d ()-]{6,16}\d)/;

/** Text that somebody has written, in which a place can be looked up and a number called. */
export function LinkedText({ children }: { children: string }) {
  return (
    <bdi dir="auto" class="person-text">
      {children.split(LINKED).map((part, index) =>
        index % 2 ? (
          <a key={String(index)} href={addressOf(part)} dir="ltr" class="tabular">
            {part}
          </a>
        ) : (
          part
        ),
      )}
    </bdi>
  );
}

function addressOf(part: string): string {
  return part.startsWith("+") ? phoneAddress(part) : `geo:${part.replace(" ", "")}`;
}

/** Nothing tells a page what colleagues do to incidents: while somebody sees them they are read again. */
export function useRereading(reload: () => void, everyMs = 15_000): void {
  useEffect(() => {
    const timer = setInterval(() => document.hidden || reload(), everyMs);
    return () => clearInterval(timer);
  }, [reload, everyMs]);
}
