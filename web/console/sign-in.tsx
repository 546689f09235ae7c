/** Sign-in. */
import type { ChatView } from "@mayday/client";
import { Icon } from "../ui/icon.js";
import { PersonText } from "../ui/text.js";
import { signIn } from "./account.js";
import { Phone } from "./chat.js";
import { heardAt } from "./live.js";
import { nameOf } from "./person.js";
import { type Problem, state } from "./state.js";
import { clockOf, t } from "./texts.js";

const focus = (element: HTMLElement | null) => element?.focus();

export function SignInScreen() {
  const { busy, problems, asksCode } = state.signIn;
  const submit = async (submit: SubmitEvent) => {
    submit.preventDefault();
    const form = submit.currentTarget as HTMLFormElement;
    const fields = new FormData(form);
    const code = String(fields.get("code") ?? "") || undefined;
    const isIn = await signIn(String(fields.get("email")).trim(), String(fields.get("password")), code);
    if (!isIn) form.querySelector<HTMLInputElement>("[aria-invalid=true]")?.focus();
  };
  return (
    <main class="door stack">
      <div>
        <p class="brand">Mayday</p>
        <h1>{t("sign-in.title")}</h1>
      </div>
      {state.mustSignIn && (
        <p class="notice">
          <Icon name="warning" />
          {t("sign-in.ended")}
        </p>
      )}
      {state.left && state.left.length > 0 && <Left chats={state.left} />}
      <form class="stack" onSubmit={submit}>
        <div>
          <label for="email">{t("account.email")}</label>
          <input
            id="email"
            name="email"
            type="email"
            autocomplete="username"
            dir="ltr"
            maxLength={320}
            required
            defaultValue={state.user?.email ?? ""}
            {...invalid("email")}
          />
          <Problems of="email" />
        </div>
        <div>
          <label for="password">{t("account.password")}</label>
          <input
            id="password"
            name="password"
            type="password"
            autocomplete="current-password"
            dir="ltr"
            required
            {...invalid("password")}
          />
          <Problems of="password" />
        </div>
        {asksCode && (
          <div>
            <label for="code">{t("sign-in.code")}</label>
            <input
              id="code"
              name="code"
              ref={focus}
              autocomplete="one-time-code"
              dir="ltr"
              maxLength={64}
              {...invalid("code")}
            />
            <Problems of="code" />
          </div>
        )}
        <div>
          <button type="submit" class="strong" disabled={busy}>
            {t("account.sign-in")}
          </button>
          <div role="alert">{problems.some(({ field }) => field === "form") && <Problems of="form" />}</div>
        </div>
      </form>
      <p>
        <a href="/console/register">{t("sign-in.register")}</a>
      </p>
      <p>
        <a href="/">{t("sign-in.home")}</a>
      </p>
    </main>
  );
}

/** Whom one could not say good-bye to: what is known of them does not go with the sign-in. */
function Left({ chats }: { chats: readonly ChatView[] }) {
  return (
    <section class="left" aria-labelledby="left-title">
      <h2 id="left-title">{t("left.title", { time: clockOf(heardAt) })}</h2>
      <p class="faint">{t("left.text")}</p>
      <ul>
        {chats.map((chat) => (
          <li key={chat.id} class="row spread">
            <PersonText>{nameOf(chat)}</PersonText>
            {chat.chat.participant?.phoneNumber && <Phone number={chat.chat.participant.phoneNumber} />}
          </li>
        ))}
      </ul>
    </section>
  );
}

function invalid(field: Problem["field"]) {
  const isWrong = state.signIn.problems.some((problem) => problem.field === field);
  return isWrong ? { "aria-invalid": true, "aria-describedby": `${field}-problem` } : {};
}

function Problems({ of }: { of: Problem["field"] }) {
  const problems = state.signIn.problems.filter(({ field }) => field === of);
  if (!problems.length) return null;
  return (
    <p id={`${of}-problem`} class="problem">
      <Icon name="warning" />
      <span>{problems.map(({ key, text }) => (key ? t(key) : text)).join(" ")}</span>
    </p>
  );
}
