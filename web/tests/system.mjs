// A Mayday of its own for the stories, the team's side of it, and what compares what comes with the documents: the
// helpers of the client's own system tests.
import { rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import * as esbuild from "esbuild";

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "..");
const outfile = path.join(root, "build", `system-${process.pid}.mjs`);
await esbuild.build({
  entryPoints: [path.join(root, "client/test/system/system.ts")],
  outfile,
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node18",
  packages: "external",
  logLevel: "error",
});
export const { Conversation, isDocumented, organizer, System, takeChat, until, untilMessages, watchAnswer } =
  await import(pathToFileURL(outfile).href);
rmSync(outfile);
