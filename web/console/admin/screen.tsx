/** What administrators do: approve agencies, look into one, and keep the administrators. */
import type { ScreenProps } from "../areas.js";
import { AdministratorPage, Administrators, NewAdministrator } from "./administrators.js";
import { Agencies, AgencyPage } from "./agencies.js";

export { catalogues } from "./texts.js";

export function Screen({ path: [first, second] }: ScreenProps) {
  if (first === undefined) return <Agencies />;
  if (first !== "administrators") return <AgencyPage key={first} id={Number(first)} />;
  if (second === undefined) return <Administrators />;
  if (second === "new") return <NewAdministrator />;
  return <AdministratorPage key={second} id={Number(second)} />;
}
