/** What a screen reads from the services: asked once, kept in step, and never shown as newer than it is. */
import { ApiError, type Page } from "@mayday/client";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { refreshUser } from "../account.js";
import { inTime } from "../later.js";
import { type TextKey, t } from "../texts.js";

/** What the service holds that screens show. A change of one kind makes every screen that shows it read again. */
export type Kind = "agency" | "agencies" | "changelogs" | "comments" | "contacts" | "events" | "issues" | "users";

const tabs = "BroadcastChannel" in globalThis ? new BroadcastChannel("mayday-console") : undefined;
const listeners = new Set<(kind: Kind) => void>();
if (tabs) tabs.onmessage = ({ data }) => tell(data as Kind);

function tell(kind: Kind): void {
  for (const listener of listeners) listener(kind);
}

/** To be called when this person has changed something: also their other tabs show it. */
export function tellChange(kind: Kind): void {
  tell(kind);
  tabs?.postMessage(kind);
}

/** Why a call has failed, in words. The service's own words where it has refused what was asked. */
export function problemOf(error: unknown): string {
  const keys: Record<number, TextKey> = { 403: "error.forbidden", 404: "error.gone" };
  if (!(error instanceof ApiError)) return t("error.unavailable");
  const key = keys[error.status] ?? (error.temporary ? "error.unavailable" : undefined);
  return key ? t(key) : error.messages.join(" ");
}

/** A refusal may mean that the sign-in has ended, or that the person's role has changed: the profile tells. */
export function suspectSignIn(error: unknown): void {
  if (error instanceof ApiError && error.status === 403) void refreshUser();
}

/** All rows of a list, page by page. `read` is told how many there are so far. */
export async function allOf<T>(
  load: (page: { limit: number; cursor?: string }) => Promise<Page<T>>,
  read?: (count: number) => void,
): Promise<T[]> {
  const rows: T[] = [];
  let cursor: string | undefined;
  do {
    const page = await load({ limit: 500, ...(cursor && { cursor }) });
    rows.push(...page.items);
    cursor = page.next;
    read?.(rows.length);
  } while (cursor);
  return rows;
}

/** A page that was hidden for longer than this reads again when it is seen. */
const FRESH_MS = 15_000;

function useFreshness(kinds: Kind[], reload: () => void): void {
  const wanted = useRef({ kinds, reload, at: 0 });
  wanted.current = { kinds, reload, at: wanted.current.at };
  useEffect(() => {
    const changed = (kind: Kind) => wanted.current.kinds.includes(kind) && wanted.current.reload();
    const seen = () => {
      if (document.hidden) wanted.current.at = Date.now();
      else if (Date.now() - wanted.current.at > FRESH_MS) wanted.current.reload();
    };
    const online = () => wanted.current.reload();
    listeners.add(changed);
    document.addEventListener("visibilitychange", seen);
    addEventListener("online", online);
    return () => {
      listeners.delete(changed);
      document.removeEventListener("visibilitychange", seen);
      removeEventListener("online", online);
    };
  }, []);
}

export interface Loaded<T> {
  /** What was read last. */
  data: T | undefined;
  /** When `data` was read, in milliseconds. */
  readAt: number;
  /** Why the last attempt has failed, or that it takes long. `data` may still be there: it is as of `readAt`. */
  problem: string | undefined;
  /** The problem is that the service does not answer. */
  isUnanswered?: boolean | undefined;
  reload(): void;
}

interface Read<T> {
  key: string;
  data?: T;
  readAt: number;
  problem?: string;
  isUnanswered?: boolean;
}

/**
 * Reads something, and reads it again when `key` changes, when one of `kinds` was changed, and when the page is seen
 * again. An answer that comes after a newer question is dropped.
 */
export function useLoad<T>(key: string, kinds: Kind[], load: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [state, setState] = useState<Read<T>>({ key, readAt: 0 });
  const current = useRef({ key, load });
  current.current = { key, load };
  const asked = useRef<AbortController>(undefined);
  const reload = useCallback(async () => {
    asked.current?.abort();
    const controller = new AbortController();
    asked.current = controller;
    const { key, load } = current.current;
    const say = (problem: string, isUnanswered: boolean) => {
      if (controller.signal.aborted) return;
      setState((before) => ({ ...(before.key === key ? before : { key, readAt: 0 }), problem, isUnanswered }));
    };
    // Where there is nothing yet, another attempt is seen to begin.
    setState((before) => (before.problem && before.data === undefined ? { key, readAt: 0 } : before));
    try {
      const data = await inTime(load(controller.signal), () => say(t("list.slow"), true));
      if (!controller.signal.aborted) setState({ key, data, readAt: Date.now() });
    } catch (error) {
      if (controller.signal.aborted) return;
      console.info(`${key} could not be read.`, error);
      suspectSignIn(error);
      say(problemOf(error), error instanceof ApiError && error.temporary);
    }
  }, []);
  useEffect(() => {
    void reload();
    return () => asked.current?.abort();
  }, [key, reload]);
  useFreshness(kinds, reload);
  const shown: Read<T> = state.key === key ? state : { key, readAt: 0 };
  const { data, readAt, problem, isUnanswered } = shown;
  return { data, readAt, problem, isUnanswered, reload };
}

export interface Pages<T> extends Loaded<T[]> {
  /** There are more rows than `data` has. */
  hasMore: boolean;
  more(): void;
}

/** A list that comes in pages. What is read again starts with as many rows as were shown. */
export function usePages<T>(
  key: string,
  kinds: Kind[],
  load: (page: { limit: number; cursor?: string }, signal: AbortSignal) => Promise<Page<T>>,
  limit = 50,
): Pages<T> {
  const shown = useRef({ key, rows: limit });
  if (shown.current.key !== key) shown.current = { key, rows: limit };
  const [added, setAdded] = useState<{ first: Page<T>; items: T[]; next: string | undefined }>();
  /** The rows after which more are being read. */
  const loading = useRef<Page<T>>(undefined);
  const first = useLoad(key, kinds, (signal) => load({ limit: Math.min(shown.current.rows, 500) }, signal));
  const { data } = first;
  const isAdded = data !== undefined && added?.first === data;
  const items = isAdded ? [...data.items, ...added.items] : data?.items;
  const next = isAdded ? added.next : data?.next;
  const more = async () => {
    if (!data || !next || loading.current === data) return;
    loading.current = data;
    const asked = shown.current;
    try {
      const page = await load({ limit, cursor: next }, new AbortController().signal);
      asked.rows += page.items.length;
      // More of other rows, or of those that were read anew, was asked for meanwhile.
      if (loading.current !== data) return;
      setAdded({ first: data, items: [...(isAdded ? added.items : []), ...page.items], next: page.next });
    } catch (error) {
      console.info(`More of ${key} could not be read.`, error);
      first.reload();
    } finally {
      if (loading.current === data) loading.current = undefined;
    }
  };
  return { ...first, data: items, hasMore: next !== undefined, more };
}
