// Checks what can be checked without running a page: formatting and lint, types, catalogues, and the size of a first
// visit. Says everything that is wrong, not only the first.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.dirname(fileURLToPath(import.meta.url));
/** Most bytes, compressed, that a first visit of a page may load. */
const LIMITS = { home: 15 * 1024, help: 30 * 1024, console: 40 * 1024 };
const PROJECTS = [
  "client/tsconfig.json",
  "client/tsconfig.indexeddb.json",
  "client/test/tsconfig.json",
  "tsconfig.json",
  "help/tsconfig.sw.json",
  "tests/tsconfig.json",
];
const failures = [];

function run(name, command, ...args) {
  console.log(`==> ${name}`);
  const { status } = spawnSync(path.join(root, "node_modules", ".bin", command), args, { cwd: root, stdio: "inherit" });
  if (status !== 0) failures.push(name);
}

function hasPages() {
  return ["home", "help", "console"].some((page) => existsSync(path.join(root, page, "index.html")));
}

/**
 * Every catalogue has the keys of the English one and no others, with the same values to fill in and all plural forms
 * of its language; and every key is used somewhere.
 */
function checkCatalogues(place, pages) {
  const directory = path.join(root, place);
  if (!existsSync(path.join(directory, "en.json"))) return;
  console.log(`==> catalogues in ${place}`);
  const read = (file) => JSON.parse(readFileSync(path.join(directory, file), "utf8"));
  const english = read("en.json");
  const wanted = Object.keys(english);
  for (const file of readdirSync(directory).filter((name) => name.endsWith(".json"))) {
    const texts = read(file);
    const missing = wanted.filter((key) => !texts[key]);
    const unknown = Object.keys(texts).filter((key) => !wanted.includes(key));
    if (missing.length) failures.push(`${place}/${file} has no text for ${missing.join(", ")}`);
    if (unknown.length) failures.push(`${place}/${file} has texts that English does not have: ${unknown.join(", ")}`);
    for (const key of wanted.filter((key) => texts[key])) {
      const wrong = problemOf(texts[key], english[key], path.basename(file, ".json"));
      if (wrong) failures.push(`${place}/${file}: ${key} ${wrong}`);
    }
  }
  const sources = pages.flatMap(sourcesIn).join("\n");
  const unused = wanted.filter((key) => !sources.includes(`"${key}"`) && !sources.includes(`>{${key}}<`));
  if (unused.length) failures.push(`no page uses the texts of ${place}: ${unused.join(", ")}`);
}

function problemOf(text, english, language) {
  if ((typeof text === "string") !== (typeof english === "string")) return "has plural forms in one language only";
  if (typeof text === "string") return valuesIn(text) === valuesIn(english) ? "" : `needs ${valuesIn(english)}`;
  const { pluralCategories } = new Intl.PluralRules(language).resolvedOptions();
  const missing = pluralCategories.filter((form) => !text[form]);
  const unknown = Object.keys(text).filter((form) => !pluralCategories.includes(form));
  if (missing.length) return `lacks the plural forms ${missing.join(", ")}`;
  return unknown.length ? `has forms that ${language} does not have: ${unknown.join(", ")}` : "";
}

function valuesIn(text) {
  return [...new Set(text.match(/\{\w+\}/g))].sort().join(" ");
}

function sourcesIn(directory) {
  if (!existsSync(path.join(root, directory))) return [];
  const files = readdirSync(path.join(root, directory)).filter((name) => /\.(tsx?|html)$/.test(name));
  return files.map((name) => readFileSync(path.join(root, directory, name), "utf8"));
}

/** What a page loads later: directories of its own. */
function partsOf(page) {
  const entries = readdirSync(path.join(root, page), { withFileTypes: true });
  const parts = entries.filter((entry) => entry.isDirectory() && !["locales", "public"].includes(entry.name));
  return parts.map(({ name }) => `${page}/${name}`);
}

/** The client library's types are those of the documents that the services serve. */
function checkGeneratedTypes() {
  console.log("==> generated types");
  const script = path.join(root, "client", "scripts", "types.mjs");
  const { status } = spawnSync(process.execPath, [script, "--check"], { stdio: "inherit" });
  if (status !== 0) failures.push("generated types");
}

function checkSizes() {
  if (!hasPages()) return;
  console.log("==> sizes");
  const file = path.join(root, "build", "sizes.json");
  if (!existsSync(file)) return failures.push("there are no sizes: run `npm run build` first");
  for (const [page, { total }] of Object.entries(JSON.parse(readFileSync(file, "utf8")))) {
    const limit = LIMITS[page];
    console.log(`${page}: ${total} bytes${limit ? ` of ${limit}` : ""}`);
    if (limit && total > limit) failures.push(`${page} loads ${total} bytes at the first visit, more than ${limit}`);
  }
}

run("biome", "biome", "check", "--error-on-warnings", ".");
for (const project of PROJECTS) {
  if (!existsSync(path.join(root, project))) continue;
  if (project === "tsconfig.json" && !hasPages()) continue;
  run(`types of ${path.dirname(project)} (${path.basename(project)})`, "tsc", "-p", project);
}
const parts = partsOf("console");
const partsOfPhone = partsOf("help");
checkCatalogues("locales", ["ui", "help", "console", ...parts, ...partsOfPhone]);
checkCatalogues("home/locales", ["home"]);
checkCatalogues("console/locales", ["console", ...parts]);
for (const part of [...parts, ...partsOfPhone]) checkCatalogues(`${part}/locales`, [part]);
checkSizes();
checkGeneratedTypes();
for (const failure of failures) console.error(`FAILED: ${failure}`);
process.exitCode = failures.length ? 1 : 0;
