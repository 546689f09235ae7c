/** The fields of an incident, new or edited. */
import type { Issue } from "@mayday/client";
import { Field } from "../kit/form.js";
import { PRIORITIES } from "./parts.js";
import { t } from "./texts.js";

export function IncidentFields({ issue }: { issue?: Issue }) {
  return (
    <>
      <Field
        name="name"
        label={t("incidents.name")}
        hint={t("incidents.name-hint")}
        {...(issue && { value: issue.name })}
        required
      />
      <Field
        name="description"
        label={t("incidents.description")}
        hint={t("incidents.description-hint")}
        {...(issue && { value: issue.description })}
        long
        required
      />
      <Field
        name="priority"
        label={t("incidents.priority")}
        value={issue?.priority ?? "medium"}
        options={Object.entries(PRIORITIES).map(([priority, text]) => [priority, t(text)] as const)}
      />
    </>
  );
}
