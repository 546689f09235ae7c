// Builds the pages into dist/. A page is a directory with an index.html; what it refers to by a relative address is
// bundled, minified and named by its hash, or put into the document where the reference says `data-inline`. `public/`
// beside it is copied as it is, and `sw.ts` becomes /sw.js.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";
import * as esbuild from "esbuild";

const root = path.dirname(fileURLToPath(import.meta.url));
const dist = path.join(root, "dist");
/** The directory of each page and the file it becomes. */
const PAGES = { home: "index.html", help: "help.html", console: "console.html", docs: "docs.html" };
const REFERENCE = /\b(src|href)="(\.{1,2}\/[^"]+)"/g;
const INLINE = /<(link|script)\b[^>]*\b(?:src|href)="(\.{1,2}\/[^"]+)"[^>]* data-inline>(?:<\/script>)?/g;
/** A text that is in the document in all languages: `<p>{home.lead}</p>`. */
const LABEL = />\{([a-z]+\.[a-z-]+)\}</g;
const ABSOLUTE_REFERENCE = /\b(?:src|href)="(\/[^"]+\.[a-z0-9]+)"/g;

const shared = {
  absWorkingDir: root,
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022"],
  conditions: ["mayday-source"],
  jsx: "automatic",
  jsxImportSource: "preact",
  charset: "utf8",
  legalComments: "none",
  logLevel: "error",
  define: { "process.env.NODE_ENV": '"production"' },
  loader: { ".woff2": "file", ".png": "file", ".svg": "file", ".webp": "file" },
};

/** A catalogue is one object. As plain JSON it would be a module with an export per text, twice as large. */
const cataloguePlugin = {
  name: "catalogues",
  setup({ onLoad }) {
    onLoad({ filter: /locales[/\\][a-z]+\.json$/ }, async ({ path: file }) => ({
      contents: `export default ${JSON.stringify(JSON.parse(await readFile(file, "utf8")))}`,
    }));
  },
};

/** A style that a part of a page brings with it: the text of all that it imports. */
const stylePlugin = {
  name: "styles",
  setup({ onLoad }) {
    onLoad({ filter: /\.css$/ }, async ({ path: file, with: { type } }) => {
      if (type !== "text") return undefined;
      const { outputFiles } = await esbuild.build({
        ...shared,
        entryPoints: [file],
        outdir: dist,
        write: false,
        external: ["*.png"],
      });
      return { contents: outputFiles[0].text.trim(), loader: "text" };
    });
  },
};

export async function build() {
  await rm(dist, { recursive: true, force: true });
  await mkdir(path.join(dist, "assets"), { recursive: true });
  const pages = [];
  for (const [name, file] of Object.entries(PAGES)) {
    const directory = path.join(root, name);
    if (!existsSync(path.join(directory, "index.html"))) continue;
    const html = await readFile(path.join(directory, "index.html"), "utf8");
    const references = [...html.replace(INLINE, "").matchAll(REFERENCE)].map((match) => match[2]);
    for (const reference of references) {
      if (!existsSync(path.join(directory, reference))) throw new Error(`${name}/index.html: no ${reference}`);
    }
    pages.push({ name, file, directory, html, references });
  }
  const sources = [...new Set(pages.flatMap((page) => page.references.map((file) => path.join(page.directory, file))))];
  const entryPoints = sources.filter((file) => /\.(tsx?|js|css)$/.test(file));
  const built = await Promise.all(pages.map((page) => bundle(page, entryPoints)));
  await Promise.all(built.map(dropRuntime));
  const outputs = new Map();
  const outputOf = new Map();
  for (const [file, output] of built.flatMap(({ metafile }) => Object.entries(metafile.outputs))) {
    const url = `/${path.relative(dist, path.join(root, file))}`;
    outputs.set(url, output);
    if (output.entryPoint) outputOf.set(path.join(root, output.entryPoint), url);
  }
  for (const file of sources) {
    if (!entryPoints.includes(file)) outputOf.set(file, await copyHashed(file));
  }
  const catalogues = await readCatalogues(outputOf);
  for (const page of pages) {
    const labels = labelsOf(page.html, catalogues);
    const define = { CATALOGUES: JSON.stringify(catalogues.addresses), LABELS: JSON.stringify(labels) };
    const labelled = page.html.replace(LABEL, (_, key) => ` data-label="${key}">${labels[key].en}<`);
    const document = await replaceAsync(labelled, INLINE, (_, tag, reference) =>
      inline(tag, path.join(page.directory, reference), define),
    );
    const html = document.replace(REFERENCE, (_, attribute, reference) => {
      const url = outputOf.get(path.join(page.directory, reference));
      if (!url) throw new Error(`${page.name}/index.html: ${reference} was not built`);
      return `${attribute}="${url}"`;
    });
    const files = path.join(page.directory, "public");
    if (existsSync(files)) await cp(files, dist, { recursive: true });
    const scripts = [...html.matchAll(/<script\b[^>]* src="([^"]+)"/g)].map((match) => match[1]);
    const preloads = [...staticImports(scripts, outputs)].filter((url) => !scripts.includes(url));
    const links = preloads.map((url) => `<link rel="modulepreload" href="${url}">`).join("");
    page.output = html.replace(/\s*\n\s*/g, "\n").replace("</head>", () => `${links}</head>`);
    await writeFile(path.join(dist, page.file), page.output);
    page.first = firstVisit(page, outputs, outputOf);
  }
  await buildServiceWorkers(pages, catalogues);
  return report(pages, catalogues);
}

/** The scripts and styles of one page. Pages share no chunks: none grows by what another one needs. */
function bundle(page, entryPoints) {
  return esbuild.build({
    ...shared,
    entryPoints: page.references
      .map((file) => path.join(page.directory, file))
      .filter((file) => entryPoints.includes(file)),
    splitting: true,
    outdir: path.join(dist, "assets"),
    publicPath: "/assets",
    entryNames: "[name]-[hash]",
    chunkNames: "[name]-[hash]",
    assetNames: "[name]-[hash]",
    metafile: true,
    plugins: [cataloguePlugin, stylePlugin],
  });
}

/** esbuild lets all outputs import its runtime, also those that take nothing from it: no first visit needs it. */
async function dropRuntime({ metafile: { outputs } }) {
  const isRuntime = (file) => !outputs[file].entryPoint && Object.keys(outputs[file].inputs).length === 0;
  for (const runtime of Object.keys(outputs).filter(isRuntime)) {
    const unused = `import"/assets/${path.basename(runtime)}";`;
    for (const [file, output] of Object.entries(outputs)) {
      if (!output.imports.some(({ path }) => path === runtime)) continue;
      const text = await readFile(path.join(root, file), "utf8");
      if (!text.includes(unused)) continue;
      await writeFile(path.join(root, file), text.replace(unused, ""));
      output.imports = output.imports.filter(({ path }) => path !== runtime);
    }
  }
}

/** The shared catalogues by language: the address of each, and its texts. `own` has those of a single page. */
async function readCatalogues(outputOf) {
  const addresses = {};
  const texts = {};
  for (const file of await readdir(path.join(root, "locales"))) {
    const source = path.join(root, "locales", file);
    const language = path.basename(file, ".json");
    addresses[language] = outputOf.get(source);
    // Those of the home page are only in its document, so that no phone loads them with the catalogue.
    const files = [source, path.join(root, "home", "locales", file)];
    const parts = await Promise.all(files.map((file) => readFile(file, "utf8")));
    texts[language] = Object.assign({}, ...parts.map((part) => JSON.parse(part)));
  }
  const own = {};
  for (const [source, url] of outputOf) {
    const [page, directory] = path.relative(root, source).split(path.sep);
    if (directory !== "locales") continue;
    own[page] ??= [];
    own[page].push(url);
  }
  return { addresses, texts, own };
}

/** The texts of a document that do not wait for a catalogue, by key and language. */
function labelsOf(html, { texts }) {
  const labels = {};
  for (const [, key] of html.matchAll(LABEL)) {
    labels[key] = Object.fromEntries(Object.entries(texts).map(([language, texts]) => [language, texts[key]]));
  }
  return labels;
}

/** A style or a script as part of the document. The server allows it by its hash. */
async function inline(tag, source, define) {
  const result = await esbuild.build({
    ...shared,
    entryPoints: [source],
    outdir: dist,
    write: false,
    format: "iife",
    define: { ...shared.define, ...define },
  });
  const text = result.outputFiles[0].text.trim().replaceAll("</", "<\\/");
  return tag === "link" ? `<style>${text}</style>` : `<script>${text}</script>`;
}

async function replaceAsync(text, pattern, replacement) {
  const replacements = await Promise.all([...text.matchAll(pattern)].map((match) => replacement(...match)));
  return text.replace(pattern, () => replacements.shift());
}

/** Copies an icon or an image that the document itself refers to. */
async function copyHashed(file) {
  const content = await readFile(file);
  const { name, ext } = path.parse(file);
  const url = `/assets/${name}-${createHash("sha256").update(content).digest("hex").slice(0, 8).toUpperCase()}${ext}`;
  await writeFile(path.join(dist, url), content);
  return url;
}

/** What the browser loads at the first visit: the document and all that it leads to, but for the catalogues. */
function firstVisit(page, outputs, outputOf) {
  const urls = new Set([`/${page.file}`]);
  for (const reference of page.references) urls.add(outputOf.get(path.join(page.directory, reference)));
  // The touch icon is loaded only by who puts the page on the home screen.
  const document = page.output.replace(/<link rel="apple-touch-icon"[^>]*>/, "");
  for (const [, url] of document.matchAll(ABSOLUTE_REFERENCE)) {
    if (existsSync(path.join(dist, url))) urls.add(url);
  }
  const isCatalogue = (url) => /(^|\/)locales\//.test(outputs.get(url)?.entryPoint ?? "");
  const all = imports(urls, outputs, (kind, entryPoint) => kind === "import-statement" || !isLater(entryPoint));
  return new Set([...urls, ...all].filter((url) => !isCatalogue(url)));
}

/** Parts of the phone page and of the console have directories of their own, and are loaded when they are opened. */
function isLater(entryPoint = "") {
  return /^(help|console)\/\w+\//.test(entryPoint);
}

function staticImports(urls, outputs) {
  return imports(urls, outputs, (kind) => kind === "import-statement");
}

function imports(urls, outputs, wanted) {
  const seen = new Set();
  const visit = (url) => {
    const output = outputs.get(url);
    if (!output || seen.has(url)) return;
    seen.add(url);
    for (const { path: file, kind } of output.imports) {
      const imported = `/${path.relative(dist, path.join(root, file))}`;
      if (wanted(kind, outputs.get(imported)?.entryPoint)) visit(imported);
    }
  };
  for (const url of urls) visit(url);
  return seen;
}

/** `sw.ts` knows what it keeps beside the document: ASSETS, one of CATALOGUES, and VERSION (a hash of everything). */
async function buildServiceWorkers(pages, { addresses }) {
  for (const page of pages) {
    const source = path.join(page.directory, "sw.ts");
    if (!existsSync(source)) continue;
    const kept = [...page.first].sort();
    const hash = createHash("sha256").update(JSON.stringify(addresses));
    for (const url of kept) hash.update(url).update(await readFile(path.join(dist, url)));
    await esbuild.build({
      ...shared,
      entryPoints: [source],
      format: "iife",
      outfile: path.join(dist, "sw.js"),
      define: {
        ...shared.define,
        ASSETS: JSON.stringify(kept.filter((url) => !url.endsWith(".html"))),
        CATALOGUES: JSON.stringify(addresses),
        VERSION: JSON.stringify(hash.digest("hex").slice(0, 12)),
      },
    });
    page.first.add("/sw.js");
  }
}

/** Sizes in bytes as they travel (Brotli). A first visit loads one catalogue: the largest counts. */
async function report(pages, { addresses, own }) {
  const size = async (url) => brotliCompressSync(await readFile(path.join(dist, url))).length;
  const largestOf = async (urls) => Math.max(0, ...(await Promise.all(urls.filter(Boolean).map(size))));
  const largest = await largestOf(Object.values(addresses));
  const sizes = {};
  for (const page of pages) {
    const files = {};
    const catalogue = page.references.length ? largest + (await largestOf(own[page.name] ?? [])) : 0;
    for (const url of page.first) files[url] = await size(url);
    const total = Object.values(files).reduce((sum, bytes) => sum + bytes, catalogue);
    sizes[page.name] = { total, catalogue, files };
  }
  return sizes;
}

async function main() {
  const sizes = await build();
  if (Object.keys(sizes).length === 0) console.log("There are no pages yet.");
  for (const [name, { total, catalogue, files }] of Object.entries(sizes)) {
    console.log(`${name}: ${total} bytes compressed for the first visit`);
    for (const [url, bytes] of Object.entries(files)) console.log(`  ${String(bytes).padStart(6)}  ${url}`);
    if (catalogue) console.log(`  ${String(catalogue).padStart(6)}  largest catalogue`);
  }
  await mkdir(path.join(root, "build"), { recursive: true });
  await writeFile(path.join(root, "build", "sizes.json"), JSON.stringify(sizes, null, 2));
  console.log(`${(await readdir(dist, { recursive: true })).length} files in dist/`);
}

await main();
