// What every screen is checked for.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** What somebody may write to break out of its place. */
export const HOSTILE = [
  "\u202Eevil \u202Dbidi",
  '<img src=x onerror="alert(1)"><b>markup</b>',
  "W".repeat(4000),
  "🆘".repeat(40),
].join("\n");

/** What axe finds wrong by WCAG 2.2, A and AA. */
export async function findings(page) {
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    axe.run(document, {
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
      resultTypes: ["violations"],
    }),
  );
  return violations.map(({ id, impact, nodes }) => `${impact}: ${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}

/** Runs in the page. Elements that are wider than the page, or whose text is cut off without a sign of it. */
export function sticksOut() {
  const found = [];
  const isShortened = (element) => getComputedStyle(element).textOverflow === "ellipsis";
  for (const element of document.querySelectorAll("body *:not(.unseen)")) {
    // A map is larger than its frame, and one moves along in a long line that one types.
    if (element.closest(".leaflet-container, input")) continue;
    if (isShortened(element) || (element.parentElement && isShortened(element.parentElement))) continue;
    const { left, right, width } = element.getBoundingClientRect();
    if (width === 0) continue;
    const cut = getComputedStyle(element).overflowX !== "visible" && element.scrollWidth > element.clientWidth + 1;
    if (left < -1 || right > innerWidth + 1 || cut) found.push(`${element.tagName}.${element.className}`);
  }
  return found;
}

/** Runs in the page. Controls smaller than 44 px, but for links within a sentence and inputs inside a large label. */
export function smallTargets() {
  const found = [];
  for (const control of document.querySelectorAll("button, a, select, textarea, input")) {
    const { width, height } = (control.closest("label") ?? control).getBoundingClientRect();
    if (width && (width < 43.9 || height < 43.9)) found.push(`${control.outerHTML.slice(0, 80)} ${width}x${height}`);
  }
  return found;
}
