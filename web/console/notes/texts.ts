import { addCatalogues } from "../../ui/i18n.js";
import { textsOf } from "../kit/catalogues.js";
import type en from "./locales/en.json";

addCatalogues((language) => import(`./locales/${language}.json`));
export type NoteKey = keyof typeof en;
export const t = textsOf<NoteKey>();
