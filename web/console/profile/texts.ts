/** The texts of the profile. */
import type { Catalogues } from "../../ui/i18n.js";
import { textsOf } from "../kit/catalogues.js";
import type en from "./locales/en.json";

export const catalogues: Catalogues = (language) => import(`./locales/${language}.json`);
export const t = textsOf<keyof typeof en>();
