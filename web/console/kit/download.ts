/** Gives a file to the browser, which saves it where it saves downloads. */
export function saveFile(name: string, type: string, text: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  // The browser may still read it.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
