// How the pages write dates and numbers. It needs no browser.
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import * as esbuild from "esbuild";

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "..");
const outfile = path.join(root, "build", `texts-${process.pid}.mjs`);
const languages = [];

let i18n;
before(async () => {
  process.env.TZ = "Europe/Warsaw";
  Object.defineProperty(globalThis, "navigator", { value: { languages } });
  globalThis.document = { documentElement: {} };
  const entryPoints = [path.join(root, "ui", "i18n.ts")];
  await esbuild.build({ entryPoints, outfile, bundle: true, platform: "node", format: "esm", logLevel: "error" });
  i18n = await import(pathToFileURL(outfile).href);
});
after(() => rmSync(outfile, { force: true }));

const written = async (language, ...tags) => {
  languages.splice(0, languages.length, ...tags);
  await i18n.loadTexts(language);
  return [i18n.timeOf("2026-07-03T16:05:00Z"), i18n.number(1234.5)];
};

test("dates and numbers are written as in the place that the browser names for the language", async () => {
  const cases = [
    ["en", ["en-GB", "en"], "3 Jul 2026, 18:05", "1,234.5"],
    ["en", ["pl-PL", "en-US"], "Jul 3, 2026, 6:05 PM", "1,234.5"],
    ["es", ["es-MX", "es"], "3 jul 2026, 6:05 p.m.", "1,234.5"],
  ];
  for (const [language, tags, ...expected] of cases) {
    const plain = (await written(language, ...tags)).map((text) => text.replace(/\s/g, " "));
    assert.deepEqual(plain, expected, `${language} for ${tags}`);
  }
});

test("a language that the browser does not name is written as it is written in general", async () => {
  assert.equal((await written("de", "en-GB"))[0], "03.07.2026, 18:05");
});

test("all digits of a page are of one kind, in Arabic as well", async () => {
  for (const text of await written("ar", "ar-EG")) assert.match(text, /\d/);
});

test("a language that is chosen while a part of the page loads stays", async () => {
  languages.splice(0, languages.length, "en");
  await i18n.loadTexts("en");
  let arrive;
  const titles = { en: "Map", de: "Karte" };
  const arrived = new Promise((resolve) => {
    arrive = resolve;
  });
  i18n.addCatalogues(async (language) => {
    if (language === "en") await arrived;
    return { default: { "map.title": titles[language] } };
  });
  const part = i18n.loadMoreTexts();
  await i18n.loadTexts("de");
  arrive();
  await part;
  assert.deepEqual([i18n.currentLanguage(), i18n.t("map.title")], ["de", "Karte"]);
});

test("a load that ends late takes no texts away from a part of the page that came meanwhile", async () => {
  languages.splice(0, languages.length, "en");
  const page = { default: { "page.title": "Mayday" } };
  const answers = [];
  i18n.addCatalogues(() => new Promise((answer) => answers.push(() => answer(page))));
  const early = i18n.loadTexts("en");
  i18n.addCatalogues(async () => ({ default: { "area.title": "Incidents" } }));
  const late = i18n.loadTexts("en");
  const [answerEarly, answerLate] = answers;
  answerLate();
  await late;
  answerEarly();
  await early;
  assert.deepEqual([i18n.t("page.title"), i18n.t("area.title")], ["Mayday", "Incidents"]);
});
