/** Registering an agency with its owner. An administrator has to approve it. */

import { useState } from "preact/hooks";
import type { Catalogues } from "../../ui/i18n.js";
import { api } from "../account.js";
import { textsOf } from "../kit/catalogues.js";
import { Field, FieldError, Form, type Values } from "../kit/form.js";
import type en from "./locales/en.json";

export const catalogues: Catalogues = (language) => import(`./locales/${language}.json`);
const t = textsOf<keyof typeof en>();

/** The service's names of the fields. "Agency name is already taken", "Owner email is already taken". */
const NAMES = {
  Agency: "name",
  "agency.name": "name",
  "agency.address": "address",
  "agency.website": "website",
  Owner: "email",
  "owner.email": "email",
  "owner.password": "password",
  "owner.confirmPassword": "confirmPassword",
  "owner.firstName": "firstName",
  "owner.lastName": "lastName",
  "owner.phoneNumber": "phoneNumber",
};

export function Screen() {
  const [registered, setRegistered] = useState<string>();
  if (registered !== undefined) return <Registered name={registered} />;
  const submit = async (values: Values) => {
    const { name = "", address = "", website = "", email = "", password = "" } = values;
    const { firstName = "", lastName = "", phoneNumber = "", confirmPassword = "" } = values;
    if (password !== confirmPassword) throw new FieldError("confirmPassword", t("register.differ"));
    const owner = { email: email.trim(), password, firstName, lastName, phoneNumber };
    await api.registerAgency({ name, address, website }, owner);
    setRegistered(name);
  };
  return (
    <main class="door stack">
      <div>
        <p class="brand">Mayday</p>
        <h1>{t("register.title")}</h1>
      </div>
      <p>{t("register.lead")}</p>
      <Form draft="register" submitLabel={t("register.submit")} onSubmit={submit} names={NAMES}>
        <h2>{t("register.agency")}</h2>
        <Field name="name" label={t("register.name")} autocomplete="organization" required />
        <Field name="address" label={t("register.address")} autocomplete="street-address" required />
        <Field name="website" type="url" label={t("register.website")} autocomplete="url" required />
        <h2>{t("register.owner")}</h2>
        <div class="pair">
          <Field name="firstName" label={t("register.first-name")} autocomplete="given-name" required />
          <Field name="lastName" label={t("register.last-name")} autocomplete="family-name" required />
        </div>
        <Field name="email" type="email" label={t("account.email")} autocomplete="username" required />
        <Field
          name="phoneNumber"
          type="tel"
          label={t("account.phone")}
          hint={t("register.phone-hint")}
          autocomplete="tel"
          required
        />
        <Field
          name="password"
          type="password"
          label={t("account.password")}
          hint={t("register.password-hint")}
          autocomplete="new-password"
          required
        />
        <Field
          name="confirmPassword"
          type="password"
          label={t("register.confirm")}
          autocomplete="new-password"
          required
        />
      </Form>
      <p>
        <a href="/console">{t("register.sign-in")}</a>
      </p>
    </main>
  );
}

const focus = (element: HTMLElement | null) => element?.focus();

function Registered({ name }: { name: string }) {
  return (
    <main class="door stack">
      <div>
        <p class="brand">Mayday</p>
        <h1 ref={focus} tabIndex={-1}>
          {t("register.done", { name })}
        </h1>
      </div>
      <p>{t("register.next")}</p>
      <p>
        <a class="button strong" href="/console">
          {t("register.sign-in")}
        </a>
      </p>
    </main>
  );
}
