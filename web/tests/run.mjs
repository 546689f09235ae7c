// Runs the tests of the pages, two files at a time: a browser waits as often as it works. Node 18 knows no option for
// that on its command line. Large files come first, so that none of them runs by itself at the end. Files named as
// arguments are run alone.
import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { fileURLToPath } from "node:url";

const directory = fileURLToPath(new URL(".", import.meta.url));
const named = process.argv.slice(2).map((file) => path.resolve(file));
const all = readdirSync(directory)
  .filter((file) => file.endsWith(".test.mjs"))
  .map((file) => path.join(directory, file))
  .sort((a, b) => statSync(b).size - statSync(a).size);
run({ files: named.length ? named : all, concurrency: 2 })
  .on("test:fail", () => {
    process.exitCode = 1;
  })
  .compose(new spec())
  .pipe(process.stdout);
