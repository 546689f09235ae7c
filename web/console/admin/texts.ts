/** The texts of the administrators' screens, and those about people. */
import { addCatalogues, type Catalogues } from "../../ui/i18n.js";
import { textsOf } from "../kit/catalogues.js";
import type people from "../people/locales/en.json";
import { catalogues as peopleCatalogues } from "../people/texts.js";
import type en from "./locales/en.json";

addCatalogues(peopleCatalogues);

export const catalogues: Catalogues = (language) => import(`./locales/${language}.json`);
export const t = textsOf<keyof typeof en | keyof typeof people>();
