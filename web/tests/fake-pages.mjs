// What the played services have in common.
import { STATUS_CODES } from "node:http";

/** The id of a chat or a message that a test calls by a short name. */
export const idOf = (name) => Buffer.from(name).toString("hex").padStart(24, "0");

/** How the services refuse. */
export function refusal(status, message, retryAfterSeconds = 1) {
  return {
    status,
    json: { statusCode: status, message, error: STATUS_CODES[status] },
    ...(status === 503 && { headers: { "retry-after": String(retryAfterSeconds) } }),
  };
}

/** An open chat as `new_chat` tells of it. */
export function asNew({ state, readSeq, ownReadSeq, ...chat }) {
  return chat;
}

/** A page of rows, and the `Link` to the next one, as the services answer. */
export function pageOf(rows, query) {
  const cursor = query.get("cursor");
  const begin = cursor ? rows.findIndex(({ id }) => String(id) === cursor) + 1 : 0;
  const limit = Number(query.get("limit") ?? rows.length);
  const page = rows.slice(begin, begin + limit);
  const hasMore = begin + limit < rows.length;
  return {
    json: page,
    ...(hasMore && { headers: { link: `<?limit=${limit}&cursor=${page.at(-1).id}>; rel="next"` } }),
  };
}
