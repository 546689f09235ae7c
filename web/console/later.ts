/** Parts of the live side that are loaded when they are first shown. */
import { loadMoreTexts } from "../ui/i18n.js";
import { notice } from "./notice.js";
import { update } from "./state.js";
import { t } from "./texts.js";

const RETRY_MS = 5000;
/** What has not come for so long is said to be late. It is shown all the same when it comes. */
const LATE_MS = 10_000;

/** Waits for something, and calls `late` if that takes long. */
export async function inTime<T>(work: Promise<T>, late: () => void): Promise<T> {
  const timer = setTimeout(late, LATE_MS);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * The returned function is for rendering: it has the module once it is there. A part that nobody misses much is loaded
 * quietly.
 */
export function later<Module>(load: () => Promise<Module>, isQuiet = false): () => Module | undefined {
  let module: Module | undefined;
  let triedAt = 0;
  let isLoading = false;
  const fetchIt = async () => {
    const loaded = await load();
    // It may have brought texts with it.
    await loadMoreTexts();
    module = loaded;
    update();
  };
  return () => {
    if (!module && !isLoading && Date.now() - triedAt > RETRY_MS) {
      triedAt = Date.now();
      isLoading = true;
      let isSaid = isQuiet;
      const say = () => {
        if (!isSaid) notice(t("area.failed"));
        isSaid = true;
      };
      inTime(fetchIt(), say)
        .catch((error) => {
          console.info("A part of the console could not be loaded.", error);
          say();
        })
        .finally(() => {
          isLoading = false;
        });
    }
    return module;
  };
}
