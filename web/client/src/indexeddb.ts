import type { Storage } from "./storage.js";

/**
 * Storage in the browser's IndexedDB. Where the browser forbids it (private mode) or it fails later (full), it goes on
 * in memory and `persistent` is false.
 */
export declare function openIndexedDb(name?: string): Promise<Storage>;
