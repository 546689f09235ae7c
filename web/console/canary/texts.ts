/** The texts of the canary's line. */
import { addCatalogues } from "../../ui/i18n.js";
import { textsOf } from "../kit/catalogues.js";
import type en from "./locales/en.json";

addCatalogues((language) => import(`./locales/${language}.json`));

export type CanaryKey = keyof typeof en;
export const t = textsOf<CanaryKey>();
