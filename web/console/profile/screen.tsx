/** A person's own account, and what this device does for them. */
import { ApiError, type User } from "@mayday/client";
import { useState } from "preact/hooks";
import { addCatalogues } from "../../ui/i18n.js";
import { PersonText } from "../../ui/text.js";
import { api, changePassword, refreshUser, signOut } from "../account.js";
import { Preferences } from "../dialogs.js";
import { Field, FieldError, Form, type Values } from "../kit/form.js";
import { tellChange, useLoad } from "../kit/load.js";
import { Page } from "../kit/parts.js";
import { notice } from "../live.js";
import { NameFields, PhoneField } from "../people/person-form.js";
import { roleName } from "../people/role.js";
import { Sheet, type SheetRow } from "../people/sheet.js";
import { catalogues as peopleCatalogues } from "../people/texts.js";
import { state } from "../state.js";
import { CodeField, isRefusedCode, SecondFactorPart } from "./second-factor.js";
import { t } from "./texts.js";

addCatalogues(peopleCatalogues);

export { catalogues } from "./texts.js";

export function Screen() {
  const me = state.user as User;
  // An agency that cannot be read now is not worth a line that says so.
  const agency = useLoad("profile/agency", ["agency"], (signal) => api.agency({ signal }));
  const factor = useLoad("profile/second-factor", ["users"], (signal) => api.secondFactor({ signal }));
  const rows: SheetRow[] = [
    [t("account.email"), <bdi dir="ltr">{me.email}</bdi>],
    [t("profile.role"), roleName(me.role)],
  ];
  if (agency.data) rows.push([t("profile.agency"), <PersonText>{agency.data.name}</PersonText>]);
  return (
    <Page title={t("area.profile")}>
      <Sheet rows={rows} />
      <OwnFields me={me} />
      <Password asksCode={factor.data?.isOn === true} />
      <SecondFactorPart of={factor} />
      <section class="stack part">
        <h2>{t("profile.device")}</h2>
        <div class="form stack">
          <Preferences />
        </div>
        <p class="faint">{t("profile.sign-out-text")}</p>
        <div>
          <button type="button" onClick={signOut}>
            {t("account.sign-out")}
          </button>
        </div>
      </section>
    </Page>
  );
}

function OwnFields({ me }: { me: User }) {
  const save = async ({ firstName = "", lastName = "", phoneNumber = "" }: Values) => {
    await api.editProfile({ firstName, lastName, phoneNumber });
    await refreshUser();
    tellChange("users");
    notice(t("profile.saved"));
  };
  return (
    <section class="stack part">
      <h2>{t("profile.own")}</h2>
      <Form draft="profile" submitLabel={t("profile.save")} onSubmit={save}>
        <NameFields user={me} />
        <PhoneField user={me} />
      </Form>
    </section>
  );
}

/** After the change the person is signed in anew, which asks for a code of those who have a second factor. */
function Password({ asksCode }: { asksCode: boolean }) {
  // A form that has been sent is empty again.
  const [sent, setSent] = useState(0);
  const change = async ({ oldPassword = "", newPassword = "", againPassword = "", code }: Values) => {
    if (newPassword !== againPassword) throw new FieldError("againPassword", t("profile.differ"));
    try {
      await changePassword(oldPassword, newPassword, code);
    } catch (error) {
      // The password is changed, and this sign-in has ended with the others.
      if (isRefusedCode(error)) await refreshUser();
      const isWrong = error instanceof ApiError && error.message === "invalid old password";
      throw isWrong ? new FieldError("oldPassword", t("profile.wrong")) : error;
    }
    setSent(sent + 1);
    notice(t("profile.changed"));
  };
  return (
    <section class="stack part">
      <h2>{t("profile.password")}</h2>
      <p class="faint">{t("profile.password-text")}</p>
      <Form key={sent} draft="password" submitLabel={t("profile.change")} onSubmit={change}>
        <input type="text" autocomplete="username" value={state.user?.email} hidden readOnly />
        <Field name="oldPassword" type="password" label={t("profile.old")} autocomplete="current-password" required />
        <Field
          name="newPassword"
          type="password"
          label={t("profile.new")}
          hint={t("profile.new-hint")}
          autocomplete="new-password"
          required
        />
        <Field name="againPassword" type="password" label={t("profile.again")} autocomplete="new-password" required />
        {asksCode && <CodeField />}
      </Form>
    </section>
  );
}
