/** Settings: quiet mode, language, the home screen, and an account for who wants one. */
import { ApiError } from "@mayday/client";
import { announce } from "../ui/announce.js";
import { Dialog } from "../ui/dialog.js";
import { currentLanguage, loadTexts, type TextKey, t } from "../ui/i18n.js";
import { Icon } from "../ui/icon.js";
import { LANGUAGES, type Language, saveSetting } from "../ui/language.js";
import { device, type State, state, update } from "./state.js";

/** Chromium's offer to install the page. Others have it in their own menu. */
interface InstallPrompt extends Event {
  prompt(): Promise<unknown>;
}
let install: InstallPrompt | undefined;
addEventListener("beforeinstallprompt", (event) => {
  event.preventDefault();
  install = event as InstallPrompt;
});

type MenuState = NonNullable<State["menu"]>;

function close(): void {
  update({ menu: undefined });
}

export function Menu(menu: MenuState) {
  return (
    <Dialog title={t("menu.title")} onClose={close}>
      <LanguageChoice />
      <p class="faint row">
        <Icon name="moon" />
        <span class="grow">
          {t("quiet.label")}: {t("quiet.text")}
        </span>
      </p>
      {install && (
        <button type="button" onClick={() => install?.prompt()}>
          <Icon name="install" />
          {t("install.button")}
        </button>
      )}
      <AccountPart {...menu} />
    </Dialog>
  );
}

function LanguageChoice() {
  const choose = async (language: Language) => {
    try {
      await loadTexts(language);
      saveSetting("language", language);
    } catch (error) {
      // Without network there is only the language that was used before.
      console.info("The language could not be loaded.", error);
    }
    update();
  };
  return (
    <div>
      <label for="language">{t("language.label")}</label>
      <select
        id="language"
        value={currentLanguage()}
        onChange={(change) => choose(change.currentTarget.value as Language)}
      >
        {Object.entries(LANGUAGES).map(([language, name]) => (
          <option key={language} value={language} lang={language}>
            {name}
          </option>
        ))}
      </select>
    </div>
  );
}

function AccountPart({ form, error, busy }: MenuState) {
  const { user, mustSignIn } = state.account;
  const signedIn = user && !user.guest;
  return (
    <section class="stack">
      <h3>{t("account.title")}</h3>
      <p>{mustSignIn ? t("account.ended") : signedIn ? t("account.as", { email: user.email }) : t("account.guest")}</p>
      {form && <AccountForm kind={form} error={error} busy={busy} />}
      {!form && signedIn && (
        <button type="button" onClick={() => device.account.signOut().finally(close)}>
          {t("account.sign-out")}
        </button>
      )}
      {!signedIn && form !== "sign-up" && (
        <button type="button" onClick={() => update({ menu: { form: "sign-up" } })}>
          {t("account.sign-up")}
        </button>
      )}
      {!signedIn && form !== "sign-in" && (
        <button type="button" onClick={() => update({ menu: { form: "sign-in" } })}>
          {t("account.sign-in")}
        </button>
      )}
    </section>
  );
}

function AccountForm(props: { kind: "sign-up" | "sign-in"; error: TextKey | undefined; busy: boolean | undefined }) {
  const { kind, error, busy } = props;
  const isNew = kind === "sign-up";
  const submit = async (submit: SubmitEvent) => {
    submit.preventDefault();
    const fields = new FormData(submit.currentTarget as HTMLFormElement);
    const text = (name: string) => String(fields.get(name) ?? "").trim();
    const body = { email: text("email"), password: String(fields.get("password")) };
    update({ menu: { form: kind, busy: true } });
    try {
      if (isNew) await device.account.signUp({ ...body, phoneNumber: text("phone") });
      else await device.account.signIn(body);
      announce(t("account.kept"));
      close();
    } catch (failure) {
      update({ menu: { form: kind, error: errorText(failure, isNew) } });
    }
  };
  return (
    <form class="stack" onSubmit={submit}>
      <div>
        <label for="account-email">{t("account.email")}</label>
        <input id="account-email" name="email" type="email" autocomplete="email" dir="ltr" maxLength={320} required />
      </div>
      <div>
        <label for="account-password">{t("account.password")}</label>
        {isNew && (
          <p id="account-hint" class="faint">
            {t("account.password-hint")}
          </p>
        )}
        <input
          id="account-password"
          name="password"
          type="password"
          autocomplete={isNew ? "new-password" : "current-password"}
          aria-describedby={isNew ? "account-hint" : undefined}
          dir="ltr"
          minLength={8}
          required
        />
      </div>
      {isNew && (
        <div>
          <label for="account-phone">{t("account.phone")}</label>
          <p id="account-phone-hint" class="faint">
            {t("account.phone-hint")}
          </p>
          <input
            id="account-phone"
            name="phone"
            type="tel"
            autocomplete="tel"
            aria-describedby="account-phone-hint"
            dir="ltr"
            maxLength={30}
          />
        </div>
      )}
      {error && (
        <p class="notice" role="alert">
          <Icon name="warning" />
          {t(error)}
        </p>
      )}
      <button type="submit" class="strong" disabled={busy}>
        {t(`account.${kind}`)}
      </button>
    </form>
  );
}

function errorText(error: unknown, isNew: boolean): TextKey {
  if (!(error instanceof ApiError) || error.status === 0 || error.status >= 500) return "account.unavailable";
  if (error.status === 429) return "account.throttled";
  if (error.status === 401) return "account.wrong";
  if (isNew && error.message.includes("exists")) return "account.taken";
  return isNew && error.message.includes("must not") ? "account.guessable" : "account.invalid";
}
