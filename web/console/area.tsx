/** An area that is loaded when it is opened. */
import { addCatalogues, currentLanguage, loadTexts } from "../ui/i18n.js";
import type { AreaModule, Part } from "./areas.js";
import { Page, ProblemLine } from "./kit/parts.js";
import type { Place } from "./router.js";
import { state, update } from "./state.js";
import { t } from "./texts.js";

const modules = new Map<string, AreaModule | "loading" | "failed">();

export function AreaScreen({ area, path, query }: Place) {
  if (!area?.load) {
    return (
      <Page title={t("area.nothing")}>
        <p>{t("area.nothing-text")}</p>
      </Page>
    );
  }
  const { name, load } = area;
  const module = moduleOf({ name, load });
  if (module === "failed") {
    return (
      <Page title={t(area.title)}>
        <ProblemLine text={t("area.failed")} retry={() => forget(name)} />
      </Page>
    );
  }
  if (module === "loading") return <main class="page" aria-busy="true" />;
  // An administrator who previews another agency sees nothing of the one before.
  return <module.Screen key={`${name}/${state.user?.agencyId}`} path={path} query={query} />;
}

/** The module of a part of the console. The page is rendered again once it is there. */
export function moduleOf(part: Part): AreaModule | "loading" | "failed" {
  const module = modules.get(part.name);
  if (module === undefined) void load(part);
  return module ?? "loading";
}

async function load({ name, load: importModule }: Part): Promise<void> {
  modules.set(name, "loading");
  try {
    const module = await importModule();
    addCatalogues(module.catalogues);
    await loadTexts(currentLanguage());
    modules.set(name, module);
  } catch (error) {
    console.info(`The part ${name} of the console could not be loaded.`, error);
    modules.set(name, "failed");
  }
  update();
}

function forget(name: string): void {
  modules.delete(name);
  update();
}
