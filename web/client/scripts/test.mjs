// Runs the tests of the named directories under test/ (unit, system) with Node's test runner.
import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "..");
const build = path.join(root, "build");
const kinds = process.argv.slice(2);
const sources = kinds.flatMap((kind) =>
  readdirSync(path.join(root, "test", kind))
    .filter((file) => file.endsWith(".test.ts"))
    .map((file) => path.join(root, "test", kind, file)),
);

rmSync(build, { recursive: true, force: true });
await esbuild.build({
  entryPoints: sources,
  outbase: path.join(root, "test"),
  outdir: build,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  splitting: true,
  platform: "node",
  format: "esm",
  target: "node18",
  packages: "external",
  sourcemap: "inline",
  logLevel: "error",
});
const tests = sources.map((file) => path.join(build, path.relative(path.join(root, "test"), file)));
const { status } = spawnSync(
  process.execPath,
  [
    "--enable-source-maps",
    "--test",
    ...(kinds.includes("system") ? ["--test-concurrency=1"] : []),
    ...tests.map((file) => file.replace(/\.ts$/, ".mjs")),
  ],
  { cwd: root, stdio: "inherit" },
);
process.exitCode = status ?? 1;
