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
