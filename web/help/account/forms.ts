// Forms that are loaded when they are opened. They import only types from the page: esbuild would put a shared module
// into a file of its own.
import type { Catalogues } from "../../ui/i18n.js";
import type { Device } from "../device.js";
import type { AccountForm, MenuKey, Opened } from "../menu.js";

export const catalogues: Catalogues = (language) => import(`./locales/${language}.json`);

const PASSWORD = { type: "password", minLength: 8 } as const;
const NEW_PASSWORD = { ...PASSWORD, hint: "account.password-hint", autocomplete: "new-password" } as const;

/** Something that is wrong with what was typed. */
class Wrong extends Error {
  readonly key: MenuKey;

  constructor(key: MenuKey) {
    super(key);
    this.key = key;
  }
}

export function formOf(submit: Exclude<Opened, "account.sign-in">, device: Device): AccountForm {
  if (submit === "account.sign-out") return signOut(device);
  return submit === "account.sign-up" ? signUp(device) : changePassword(device);
}

/** Only a guest is asked: who has an account signs in again. */
function signOut({ account }: Device): AccountForm {
  return { fields: [], text: "guest.text", submit: "guest.leave", done: "guest.left", send: () => account.signOut() };
}

function signUp({ account }: Device): AccountForm {
  return {
    fields: [
      { name: "email", label: "account.email", type: "email", autocomplete: "email", maxLength: 320 },
      { name: "password", label: "account.password", ...NEW_PASSWORD },
      {
        name: "phoneNumber",
        label: "account.phone",
        hint: "account.phone-hint",
        type: "tel",
        autocomplete: "tel",
        maxLength: 30,
        required: false,
      },
    ],
    submit: "account.sign-up",
    done: "account.kept",
    send: ({ email, password, phoneNumber }) =>
      account.signUp({ email, password, phoneNumber: phoneNumber.trim() }).catch(explain),
  };
}

function changePassword({ account, queue }: Device): AccountForm {
  return {
    fields: [
      {
        name: "email",
        label: "account.email",
        type: "email",
        autocomplete: "username",
        value: account.snapshot.user?.email,
        readOnly: true,
        hidden: true,
      },
      {
        name: "oldPassword",
        label: "password.old",
        hint: "password.others",
        ...PASSWORD,
        autocomplete: "current-password",
      },
      { name: "newPassword", label: "password.new", ...NEW_PASSWORD },
      { name: "againPassword", label: "password.again", ...PASSWORD, autocomplete: "new-password" },
    ],
    submit: "account.change",
    done: "password.changed",
    send: async ({ oldPassword, newPassword, againPassword }) => {
      if (newPassword !== againPassword) throw new Wrong("password.differ");
      if (newPassword === oldPassword) throw new Wrong("password.same");
      await account.changePassword({ oldPassword, newPassword }).catch((error) => {
        // The sign-in may have ended, and perhaps the answer alone was lost: this asks, and the page then says so.
        void queue.refresh();
        return explain(error);
      });
    },
  };
}

/** Says what the service has against a new password, or a new account. */
function explain(error: Error): never {
  if (error.message === "invalid password") throw new Wrong("password.wrong");
  if (error.message.includes("exists")) throw new Wrong("account.taken");
  if (error.message.includes("must not")) throw new Wrong("account.guessable");
  throw error;
}
