/** The texts of the map. */
import { addCatalogues } from "../../ui/i18n.js";
import { textsOf } from "../kit/catalogues.js";
import type en from "./locales/en.json";

addCatalogues((language) => import(`./locales/${language}.json`));

export const t = textsOf<keyof typeof en>();
