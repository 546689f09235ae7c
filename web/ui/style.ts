/** Styles of parts that are loaded later. The policy of the pages lets scripts add them as sheets, not as markup. */
export function addStyle(text: string): void {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(text);
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
}
