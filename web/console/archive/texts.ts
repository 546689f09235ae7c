import { textsOf } from "../kit/catalogues.js";
import type en from "./locales/en.json";

export const t = textsOf<keyof typeof en>();
