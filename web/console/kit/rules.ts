/** What the services say of a field that they refuse, in the language of the page. */
import { addCatalogues } from "../../ui/i18n.js";
import { textsOf } from "./catalogues.js";
import type en from "./locales/en.json";

addCatalogues((language) => import(`./locales/${language}.json`));
type RuleKey = keyof typeof en;
const t = textsOf<RuleKey>();

/** The more a text helps, the earlier it is: of all that is wrong with a field, the first is said. */
const RULES: [RegExp, RuleKey][] = [
  [/ should not be empty$/, "rule.empty"],
  [/ is already taken$/, "rule.taken"],
  [/ must be an email$/, "rule.email"],
  [/ must be a valid phone number$/, "rule.phone"],
  [/ must be a URL address$/, "rule.website"],
  [/ must be an integer number from (?<least>\d+) to (?<most>\d+)$/, "rule.range"],
  [/ must be an integer number$/, "rule.integer"],
  [/ must be a latitude /, "rule.latitude"],
  [/ must be a longitude /, "rule.longitude"],
  [/ must be a valid ISO 8601 date string$/, "rule.date"],
  [/ must be shorter than or equal to (?<n>\d+) characters$/, "rule.long"],
  [/ must be longer than or equal to (?<n>\d+) characters$/, "rule.short"],
  [/ must be different from /, "rule.same"],
  [/ must not be a common password$/, "rule.common"],
  [/ must not consist of names, the email and mayday$/, "rule.words"],
];

/** One text for all messages about a field. What is not known here is said in the service's own words. */
export function ruleOf(messages: readonly string[]): string {
  for (const [pattern, key] of RULES) {
    for (const message of messages) {
      const found = pattern.exec(message);
      if (found) return t(key, numbersIn(found.groups));
    }
  }
  return messages.join(" ");
}

function numbersIn(groups: Record<string, string> = {}): Record<string, number> {
  return Object.fromEntries(Object.entries(groups).map(([name, digits]) => [name, Number(digits)]));
}
