/** The agency: what others know of it, its settings, and its end. */

import type { Agency, AgencySettings, User } from "@mayday/client";
import { useState } from "preact/hooks";
import { Dialog } from "../../ui/dialog.js";
import type { Catalogues } from "../../ui/i18n.js";
import { number } from "../../ui/i18n.js";
import { PersonText } from "../../ui/text.js";
import { api, refreshUser, signOut } from "../account.js";
import { isAdmin, isOwner } from "../areas.js";
import { useAction } from "../kit/action.js";
import { textsOf } from "../kit/catalogues.js";
import { Field, FieldError, Form, type Values } from "../kit/form.js";
import { tellChange, useLoad } from "../kit/load.js";
import { Page, ProblemLine, Shown } from "../kit/parts.js";
import { notice } from "../live.js";
import { Phone, Sheet, Website } from "../people/sheet.js";
import { go } from "../router.js";
import { state } from "../state.js";
import type en from "./locales/en.json";

export const catalogues: Catalogues = (language) => import(`./locales/${language}.json`);
const t = textsOf<keyof typeof en>();

export function Screen() {
  const me = state.user as User;
  const agency = useLoad("agency", ["agency"], async (signal) => {
    const [agency, settings] = await Promise.all([api.agency({ signal }), api.settings({ signal })]);
    // Only an administrator without preview has none, and then there is no such area.
    return { agency: agency as Agency, settings };
  });
  return (
    <Page title={t("area.agency")}>
      <Shown of={agency}>
        {({ agency, settings }) =>
          isOwner(me) ? (
            <>
              <EditAgency agency={agency} />
              <EditSettings settings={settings} />
              <Delete me={me} agency={agency} />
            </>
          ) : (
            <Facts agency={agency} settings={settings} />
          )
        }
      </Shown>
    </Page>
  );
}

function Facts({ agency, settings }: { agency: Agency; settings: AgencySettings }) {
  const { maxOpenChats, helpPhoneNumber } = settings;
  return (
    <>
      <Sheet
        rows={[
          [t("agency.name"), <PersonText>{agency.name}</PersonText>],
          [t("agency.address"), <PersonText>{agency.address}</PersonText>],
          [t("agency.website"), agency.website ? <Website address={agency.website} /> : t("agency.none")],
          [t("agency.most-chats"), maxOpenChats === null ? t("agency.no-limit") : number(maxOpenChats)],
          [t("agency.help-phone"), helpPhoneNumber ? <Phone number={helpPhoneNumber} /> : t("agency.none")],
        ]}
      />
      <p class="faint">{t("agency.owners-only")}</p>
    </>
  );
}

function EditAgency({ agency }: { agency: Agency }) {
  const save = async ({ name = "", address = "", website = "" }: Values) => {
    const edits = { name, address, ...(website !== (agency.website ?? "") && { website: website || null }) };
    await api.editAgency(edits);
    tellChange("agency");
    notice(t("agency.saved"));
  };
  return (
    <section class="stack">
      <h2>{t("agency.known")}</h2>
      <Form draft="agency" submitLabel={t("agency.save")} onSubmit={save} names={{ Agency: "name" }}>
        <Field name="name" label={t("agency.name")} value={agency.name} required />
        <Field name="address" label={t("agency.address")} value={agency.address} required />
        <Field name="website" type="url" label={t("agency.website")} value={agency.website ?? ""} />
      </Form>
    </section>
  );
}

function EditSettings({ settings }: { settings: AgencySettings }) {
  const save = async ({ maxOpenChats = "", helpPhoneNumber = "" }: Values) => {
    const most = maxOpenChats.trim();
    if (!/^\d*$/.test(most)) throw new FieldError("maxOpenChats", t("agency.not-a-number"));
    const edits = { maxOpenChats: most ? Number(most) : null, helpPhoneNumber: helpPhoneNumber.trim() || null };
    await api.editSettings(edits);
    tellChange("agency");
    notice(t("agency.saved"));
  };
  return (
    <section class="stack part">
      <h2>{t("agency.settings")}</h2>
      <Form draft="agency/settings" submitLabel={t("agency.save")} onSubmit={save}>
        <Field
          name="maxOpenChats"
          label={t("agency.most-chats")}
          hint={t("agency.most-chats-hint")}
          value={settings.maxOpenChats?.toString()}
        />
        <Field
          name="helpPhoneNumber"
          type="tel"
          label={t("agency.help-phone")}
          hint={t("agency.help-phone-hint")}
          value={settings.helpPhoneNumber ?? ""}
        />
      </Form>
    </section>
  );
}

function Delete({ me, agency }: { me: User; agency: Agency }) {
  const [isAsking, setAsking] = useState(false);
  const [typed, setTyped] = useState("");
  const { busy, problem, run } = useAction();
  const close = () => {
    setAsking(false);
    setTyped("");
  };
  const remove = () =>
    run(async () => {
      await api.deleteAgency();
      close();
      if (!isAdmin(me)) return signOut();
      await refreshUser();
      tellChange("agencies");
      go("/console/agencies", { replace: true });
      notice(t("agency.deleted", { name: agency.name }));
    });
  return (
    <section class="part">
      <button type="button" onClick={() => setAsking(true)}>
        {t("agency.delete")}
      </button>
      {isAsking && (
        <Dialog title={t("agency.delete-title", { name: agency.name })} onClose={close}>
          <p>{t("agency.delete-text")}</p>
          <p>{t("agency.delete-kept")}</p>
          <form
            class="stack"
            onSubmit={(submit) => {
              submit.preventDefault();
              if (typed.trim() === agency.name.trim()) void remove();
            }}
          >
            <div>
              <label for="agency-typed">{t("agency.type-name", { name: agency.name })}</label>
              <input
                id="agency-typed"
                dir="auto"
                autocomplete="off"
                value={typed}
                onInput={({ currentTarget }) => setTyped(currentTarget.value)}
              />
            </div>
            {problem && <ProblemLine text={problem} />}
            <div class="answers">
              <button type="button" onClick={close}>
                {t("agency.delete-no")}
              </button>
              <button type="submit" class="strong" disabled={busy || typed.trim() !== agency.name.trim()}>
                {t("agency.delete-yes")}
              </button>
            </div>
          </form>
        </Dialog>
      )}
    </section>
  );
}
