/** A person's own account, and what this device does for them. */
import { ApiError, type User } from "@mayday/client";
import { useEffect, useRef, useState } from "preact/hooks";
import { addCatalogues } from "../../ui/i18n.js";
import { PersonText } from "../../ui/text.js";
import { api, changePassword, refreshUser, signOut } from "../account.js";
import { isComplete } from "../areas.js";
import { Preferences } from "../dialogs.js";
import { Field, FieldError, Form, type Values } from "../kit/form.js";
import { tellChange, useLoad } from "../kit/load.js";
import { Page } from "../kit/parts.js";
import { notice } from "../live.js";
import { NameFields, PhoneField } from "../people/person-form.js";
import { roleName } from "../people/role.js";
import { Sheet, type SheetRow } from "../people/sheet.js";
import { catalogues as peopleCatalogues } from "../people/texts.js";
import { currentPlace, go } from "../router.js";
import { state } from "../state.js";
import { CodeField, isRefusedCode, SecondFactorPart } from "./second-factor.js";
import { t } from "./texts.js";

addCatalogues(peopleCatalogues);

export { catalogues } from "./texts.js";

export function Screen() {
  const me = state.user as User;
  return isComplete(me) ? <Profile me={me} /> : <Incomplete me={me} />;
}

/**
 * What the person has to do before anything else, one step after the other. The password comes first, since its change
 * signs in anew, which would ask for a code.
 */
function Incomplete({ me: { mustChangePassword, mustHaveSecondFactor } }: { me: User }) {
  const factor = useLoad("profile/second-factor", ["users"], (signal) => api.secondFactor({ signal }));
  const lead = useRef<HTMLParagraphElement>(null);
  const key = mustHaveSecondFactor ? "profile.must-both" : "profile.must-password";
  const text = t(mustChangePassword ? key : "profile.must-factor");
  // What had the focus goes with its step.
  useEffect(() => lead.current?.focus(), [text]);
  return (
    <Page title={t("area.profile")}>
      <p ref={lead} class="notice" tabIndex={-1}>
        {text}
      </p>
      {mustChangePassword ? (
        <Password asksCode={factor.data?.isOn === true} />
      ) : (
        <SecondFactorPart of={factor} onDone={() => refreshUser().then(goOn)} />
      )}
    </Page>
  );
}

/** Whose account is complete now comes to the first area, unless the address leads somewhere else. */
function goOn(): void {
  if (state.user && isComplete(state.user) && currentPlace().area?.name === "profile") go("/console");
}

function Profile({ me }: { me: User }) {
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
  const isFirst = state.user?.mustChangePassword;
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
    if (isFirst) goOn();
  };
  return (
    <section class="stack part">
      <h2>{t("profile.password")}</h2>
      {!isFirst && <p class="faint">{t("profile.password-text")}</p>}
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
