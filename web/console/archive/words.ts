/**
 * The words of a search in the console's address. They are people's, so they are behind its `#`, which no browser sends
 * to a server.
 */

export function wordsInAddress(): string {
  return new URLSearchParams(location.hash.slice(1)).get("q")?.trim() ?? "";
}

export function withWords(address: string, words: string): string {
  return words ? `${address}#${new URLSearchParams({ q: words })}` : address;
}
