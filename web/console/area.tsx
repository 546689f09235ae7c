/** An area that is loaded when it is opened. */
import { addCatalogues, loadMoreTexts } from "../ui/i18n.js";
import { Icon } from "../ui/icon.js";
import type { Area, AreaModule, KeyLine } from "./areas.js";
import { inTime } from "./later.js";
import type { Place } from "./router.js";
import { isLive, state, update } from "./state.js";
import { t } from "./texts.js";

const modules = new Map<string, AreaModule | "loading" | "failed">();

export function AreaScreen({ area, path, query }: Place) {
  if (!area?.load) {
    return (
      <main class="page">
        <h1>{t("area.nothing")}</h1>
        <p>{t("area.nothing-text")}</p>
      </main>
    );
  }
  const module = modules.get(area.name);
  if (module === undefined) void load(area.name, area.load);
  if (module === "failed") {
    return (
      <main class="page">
        <h1>{t(area.title)}</h1>
        <p class="problem" role="alert">
          <Icon name="warning" />
          <span>
            {t("area.failed")} {isLive() && t("area.chats")}
          </span>
          <button type="button" onClick={() => forget(area.name)}>
            {t("error.retry")}
          </button>
        </p>
      </main>
    );
  }
  if (module === undefined || module === "loading") {
    return (
      <main class="page" aria-busy="true">
        <p class="faint">{t("list.loading")}</p>
      </main>
    );
  }
  // An administrator who previews another agency sees nothing of the one before.
  return <module.Screen key={`${area.name}/${state.user?.agencyId}`} path={path} query={query} />;
}

async function load(name: string, importModule: () => Promise<AreaModule>): Promise<void> {
  const put = (module: AreaModule | "failed") => {
    modules.set(name, module);
    update();
  };
  // Of two attempts, the first may have brought it.
  const fail = () => {
    if (modules.get(name) === "loading") put("failed");
  };
  const fetchIt = async () => {
    const [module] = await Promise.all([importModule(), import("./kit/style.js")]);
    addCatalogues(module.catalogues);
    await loadMoreTexts();
    return module;
  };
  modules.set(name, "loading");
  try {
    put(await inTime(fetchIt(), fail));
  } catch (error) {
    console.info(`The area ${name} could not be loaded.`, error);
    fail();
  }
}

/** What the keys do in an area that is shown. */
export function keysOf(area: Area | undefined): KeyLine[] {
  const module = modules.get(area?.name ?? "");
  return (typeof module === "object" && module.keys?.()) || [];
}

function forget(name: string): void {
  modules.delete(name);
  update();
}
