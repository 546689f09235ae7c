/** The texts of the area. A poster also shows some in languages that the console is not in. */
import type { Language } from "../../ui/language.js";
import { textsOf } from "../kit/catalogues.js";
import type en from "./locales/en.json";

export const t = textsOf<keyof typeof en>();

export const catalogues = (language: Language): Promise<{ default: typeof en }> => import(`./locales/${language}.json`);
