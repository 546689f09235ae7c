/** The texts of the record, and those about people. */
import { addCatalogues, type Catalogues } from "../../ui/i18n.js";
import { textsOf } from "../kit/catalogues.js";
import { catalogues as peopleCatalogues } from "../people/texts.js";
import type en from "./locales/en.json";

addCatalogues(peopleCatalogues);

export const catalogues: Catalogues = (language) => import(`./locales/${language}.json`);
export type RecordKey = keyof typeof en;
export const t = textsOf<RecordKey>();
