import { textsOf } from "../kit/catalogues.js";
import type en from "./locales/en.json";

export type IncidentKey = keyof typeof en;
export const t = textsOf<IncidentKey>();
