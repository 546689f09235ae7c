/** Tables as files: CSV by RFC 4180. */
export type Cell = string | number | null | undefined;

export function csvOf(rows: Cell[][]): string {
  // Without the mark at the start, spreadsheets take the text for one of an old code page.
  return `\ufeff${rows.map((row) => `${row.map(cellOf).join(",")}\r\n`).join("")}`;
}

function cellOf(cell: Cell): string {
  if (typeof cell !== "string") return cell === null || cell === undefined ? "" : String(cell);
  // A spreadsheet would run what somebody has called themselves.
  const text = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
