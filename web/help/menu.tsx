/** Settings: quiet mode, language, the home screen, and an account for who wants one. */
import { ApiError } from "@mayday/client";
import type { JSX } from "preact";
import { announce } from "../ui/announce.js";
import { Dialog } from "../ui/dialog.js";
import { addCatalogues, currentLanguage, loadMoreTexts, loadTexts, type TextKey, t } from "../ui/i18n.js";
import { Icon } from "../ui/icon.js";
import { LANGUAGES, type Language, saveSetting } from "../ui/language.js";
import type laterTexts from "./account/locales/en.json";
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

/** The menu's texts: the shared ones, and those that its later forms bring with them. */
export type MenuKey = TextKey | keyof typeof laterTexts;
type Typed = Record<"email" | "password" | "phoneNumber" | "oldPassword" | "newPassword" | "againPassword", string>;

/** What of the account has a form. */
export type Opened = "account.sign-up" | "account.sign-in" | "account.change" | "account.sign-out";

/** A form about the account. */
export interface AccountForm {
  /** Is said in place of what the account is. */
  text?: MenuKey;
  fields: ({ name: keyof Typed; label: MenuKey; hint?: MenuKey } & JSX.IntrinsicElements["input"])[];
  submit: MenuKey;
  /** Is said when what was typed has been sent. */
  done: MenuKey;
  /** What it throws may name a text, as `key`. */
  send(typed: Typed): Promise<unknown>;
}

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

export const SIGN_IN: AccountForm = {
  fields: [
    { name: "email", label: "account.email", type: "email", autocomplete: "email", maxLength: 320 },
    {
      name: "password",
      label: "account.password",
      type: "password",
      autocomplete: "current-password",
      minLength: 8,
    },
  ],
  submit: "account.sign-in",
  done: "account.kept",
  send: (typed) => device.account.signIn(typed),
};

function AccountPart({ form, error, busy }: MenuState) {
  const { user, mustSignIn } = state.account;
  const signedIn = user && !user.guest;
  const opener = (submit: Opened) =>
    submit !== form?.submit && (
      <button type="button" disabled={busy} onClick={() => open(submit)}>
        {t(submit)}
      </button>
    );
  return (
    <section class="stack">
      <h3>{t("account.title")}</h3>
      <p tabIndex={-1}>
        {t(form?.text ?? (mustSignIn ? "account.ended" : signedIn ? "account.as" : "account.guest"), {
          email: user?.email ?? "",
        })}
      </p>
      {form && <AccountFields form={form} busy={busy} />}
      {error && (
        <p class="notice" role="alert">
          <Icon name="warning" />
          {t(error)}
        </p>
      )}
      {!form && signedIn && (
        <>
          {!mustSignIn && opener("account.change")}
          <button type="button" onClick={() => device.account.signOut().finally(close)}>
            {t("account.sign-out")}
          </button>
        </>
      )}
      {!signedIn && opener("account.sign-up")}
      {!signedIn && opener("account.sign-in")}
      {!form && user?.guest && opener("account.sign-out")}
    </section>
  );
}

/** Forms that nobody needs in a hurry come with their texts when they are opened. */
async function open(submit: Opened): Promise<void> {
  let form = SIGN_IN;
  update({ menu: { ...state.menu, busy: true } });
  try {
    if (submit !== "account.sign-in") {
      const later = await import("./account/forms.js");
      addCatalogues(later.catalogues);
      await loadMoreTexts();
      form = later.formOf(submit, device);
    }
    // The person may have closed the menu meanwhile.
    if (state.menu?.busy) update({ menu: { form } });
  } catch (failure) {
    if (state.menu?.busy) update({ menu: { error: errorText(failure) } });
  }
  // The button that had the focus may be gone.
  queueMicrotask(() => document.querySelector<HTMLElement>("dialog section p")?.focus());
}

function AccountFields({ form, busy }: { form: AccountForm; busy: boolean | undefined }) {
  const submit = async (submit: SubmitEvent) => {
    submit.preventDefault();
    const typed = Object.fromEntries(new FormData(submit.currentTarget as HTMLFormElement)) as Typed;
    update({ menu: { form, busy: true } });
    try {
      await form.send(typed);
      announce(t(form.done));
      close();
    } catch (failure) {
      update({ menu: { form, error: errorText(failure) } });
    }
  };
  return (
    <form class="stack" onSubmit={submit}>
      {form.fields.map(({ label, hint, ...input }) => {
        const id = `account-${input.name}`;
        return (
          <div key={id} hidden={input.hidden}>
            <label for={id}>{t(label)}</label>
            {hint && (
              <p id={`${id}-hint`} class="faint">
                {t(hint)}
              </p>
            )}
            <input id={id} aria-describedby={hint && `${id}-hint`} dir="ltr" required {...input} />
          </div>
        );
      })}
      <button type="submit" class="strong" disabled={busy}>
        {t(form.submit)}
      </button>
    </form>
  );
}

function errorText(error: unknown): MenuKey {
  const { key } = error as { key?: MenuKey };
  if (key) return key;
  if (!(error instanceof ApiError) || error.status === 0 || error.status >= 500) return "account.unavailable";
  if (error.status === 429) return "account.throttled";
  return error.status === 401 ? "account.wrong" : "account.invalid";
}
