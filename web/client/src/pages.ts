import type { Call, Http } from "./http.js";

/** With either, a list comes in pages. */
export interface PageQuery {
  /** 1 to 500. */
  limit?: number;
  /** `next` of the page before. */
  cursor?: string;
}

export interface Page<T> {
  items: T[];
  /** The cursor of the next page, if there is one. */
  next: string | undefined;
}

/** A list that comes in pages. */
export async function page<T>(http: Http, path: string, options: Call = {}): Promise<Page<T>> {
  const answer = await part<T[]>(http, path, options);
  return { items: answer.part, next: answer.next };
}

/** What comes in parts, asked for with a body or without: the cursor of the next one is in the header `Link`. */
export async function part<T>(
  http: Http,
  path: string,
  options: Call = {},
): Promise<{ part: T; next: string | undefined }> {
  let next: string | undefined;
  const onLink = (link: string) => {
    next = /[?&]cursor=([^&>]+)[^>]*>; *rel="?next/.exec(link)?.[1];
  };
  const method = options.body ? "POST" : "GET";
  const answer = await http.call<T>(method, path, { ...options, idempotent: true, onLink });
  return { part: answer, next };
}
