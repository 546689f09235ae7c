/** Typed texts of an area: its own, and those of the console. */
import { t as textOf } from "../../ui/i18n.js";
import type { TextKey } from "../texts.js";

/** `const t = textsOf<keyof typeof en>()`. */
export function textsOf<Key extends string>() {
  return textOf<Key | TextKey>;
}
