/** Parts of the live side that are loaded when they are first shown. */
import { loadMoreTexts } from "../ui/i18n.js";
import { notice } from "./notice.js";
import { update } from "./state.js";
import { t } from "./texts.js";

const RETRY_MS = 5000;

/** The returned function is for rendering: it has the module once it is there. */
export function later<Module>(load: () => Promise<Module>): () => Module | undefined {
  let module: Module | undefined;
  let triedAt = 0;
  const fetchIt = async () => {
    try {
      const loaded = await load();
      // It may have brought texts with it.
      await loadMoreTexts();
      module = loaded;
      update();
    } catch (error) {
      console.info("A part of the console could not be loaded.", error);
      notice(t("area.failed"));
    }
  };
  return () => {
    if (!module && Date.now() - triedAt > RETRY_MS) {
      triedAt = Date.now();
      void fetchIt();
    }
    return module;
  };
}
