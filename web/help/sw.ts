/**
 * Keeps the shell of the phone page, so that it opens without network. The document is answered from here at once, and
 * a new build is there at the next opening: the browser asks for this file each time, and its VERSION has changed.
 */
declare const ASSETS: string[];
declare const CATALOGUES: Record<string, string>;
declare const VERSION: string;

const worker = self as unknown as ServiceWorkerGlobalScope;
const DOCUMENT = "/help";
const NAME = `mayday-${VERSION}`;

worker.addEventListener("install", (event) => {
  event.waitUntil(keep().then(() => worker.skipWaiting()));
});

worker.addEventListener("activate", (event) => {
  event.waitUntil(forgetOthers().then(() => worker.clients.claim()));
});

worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin) return;
  if (request.mode === "navigate") {
    event.respondWith(kept(request, DOCUMENT));
    // Without network it stays as it is.
    event.waitUntil(refreshHeaders().catch(() => undefined));
  } else if (pathname.startsWith("/assets/") || ASSETS.includes(pathname)) {
    event.respondWith(kept(request, pathname));
  }
});

/** The shell, and of the catalogues those that the version before has kept. */
async function keep(): Promise<void> {
  const cache = await caches.open(NAME);
  await cache.addAll([DOCUMENT, ...ASSETS, ...(await cataloguesInUse())]);
}

async function cataloguesInUse(): Promise<string[]> {
  const names = await caches.keys();
  const requests = await Promise.all(names.map(async (name) => (await caches.open(name)).keys()));
  const languages = requests.flat().map(({ url }) => /\/assets\/([a-z]{2})-/.exec(url)?.[1] ?? "");
  return [...new Set(languages)].flatMap((language) => CATALOGUES[language] ?? []);
}

async function forgetOthers(): Promise<void> {
  const names = await caches.keys();
  await Promise.all(
    names.filter((name) => name.startsWith("mayday-") && name !== NAME).map((name) => caches.delete(name)),
  );
}

async function kept(request: Request, key: string): Promise<Response> {
  const cache = await caches.open(NAME);
  const known = await cache.match(key);
  if (known) return known;
  const response = await fetch(request);
  if (response.ok && key.startsWith("/assets/")) await cache.put(key, response.clone());
  return response;
}

/** The policy of a document names the sockets, and an operator may have moved them since. */
async function refreshHeaders(): Promise<void> {
  const cache = await caches.open(NAME);
  const [known, now] = await Promise.all([cache.match(DOCUMENT), fetch(DOCUMENT)]);
  // Another document belongs to another build, and comes with that build's worker.
  if (known && now.ok && (await known.text()) === (await now.clone().text())) await cache.put(DOCUMENT, now);
}
