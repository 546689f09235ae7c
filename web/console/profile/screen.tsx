import { Page } from "../kit/parts.js";
export const catalogues = { en: none, de: none, pl: none, es: none, fr: none, uk: none, ar: none };
async function none() {
  return { default: {} };
}
export function Screen() {
  return <Page title="profile" />;
}
