import assert from "node:assert/strict";
import { test } from "node:test";
import { brotliCompressSync } from "node:zlib";
import * as esbuild from "esbuild";

/** Size of a program that uses what is named, minified and compressed. */
async function size(source: string): Promise<number> {
  const { outputFiles } = await esbuild.build({
    stdin: { contents: source, resolveDir: process.cwd() },
    ...{ bundle: true, minify: true, format: "esm", write: false, conditions: ["mayday-source"] },
  });
  return brotliCompressSync(outputFiles[0]?.contents ?? "").length;
}

test("what a page needs to press is smaller than 4.5 KiB", async (context) => {
  const bytes = await size('export * from "@mayday/client/press";');
  context.diagnostic(`${bytes} bytes`);
  assert(bytes < 4.5 * 1024, `${bytes} bytes`);
});

test("press and session together are smaller than 12 KiB", async (context) => {
  const bytes = await size(
    'export { Account, MessengerApi, PressQueue, Session } from "@mayday/client"; export * from "@mayday/client/indexeddb";',
  );
  context.diagnostic(`${bytes} bytes`);
  assert(bytes < 12 * 1024, `${bytes} bytes`);
});
