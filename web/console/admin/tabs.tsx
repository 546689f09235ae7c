import { t } from "./texts.js";

export const AGENCIES = "/console/agencies";
export const ADMINISTRATORS = "/console/agencies/administrators";

/** From one part of the area to the other. */
export function Tabs({ shown }: { shown: "agencies" | "administrators" }) {
  return (
    <nav class="tabs" aria-label={t("admin.parts")}>
      <a href={AGENCIES} aria-current={shown === "agencies" ? "page" : undefined}>
        {t("area.agencies")}
      </a>
      <a href={ADMINISTRATORS} aria-current={shown === "administrators" ? "page" : undefined}>
        {t("admin.administrators")}
      </a>
    </nav>
  );
}
