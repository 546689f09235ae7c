/** The second factor: a sign-in asks for a code of an authenticator app as well. */
import { ApiError, type NewSecondFactor, type SecondFactor } from "@mayday/client";
import { useEffect, useRef, useState } from "preact/hooks";
import { addStyle } from "../../ui/style.js";
import { api, refreshUser } from "../account.js";
import { saveFile } from "../kit/download.js";
import { Field, FieldError, Form, type Values } from "../kit/form.js";
import { type Loaded, tellChange } from "../kit/load.js";
import { Shown } from "../kit/parts.js";
import { QrCode } from "../kit/qr.js";
import { notice } from "../live.js";
import { t as peopleText } from "../people/texts.js";
import { state } from "../state.js";
import style from "./second-factor.css" with { type: "text" };
import { t } from "./texts.js";

addStyle(style);

/** What the person is doing: nothing, turning it on in three steps, or turning it off. */
type Step =
  | { is: "none" | "password" | "off" }
  | { is: "code"; made: NewSecondFactor }
  | { is: "recovery"; codes: string[] };

/** The service has no use for the code: it is missing, wrong, or was used before. */
export function isRefusedCode(error: unknown): boolean {
  return error instanceof ApiError && /^(invalid code|second factor required)$/.test(error.message);
}

export function CodeField({ label = t("sign-in.code") }: { label?: string }) {
  return <Field name="code" label={label} autocomplete="one-time-code" required />;
}

/** `onDone` is called when it has been turned on, and its recovery codes have been seen. */
export function SecondFactorPart({ of, onDone }: { of: Loaded<SecondFactor>; onDone?: () => void }) {
  const [step, setStep] = useState<Step>({ is: "none" });
  const section = useRef<HTMLElement>(null);
  const shown = useRef(step.is);
  // What had the focus goes with its step.
  useEffect(() => {
    if (shown.current === step.is) return;
    shown.current = step.is;
    section.current?.querySelector<HTMLElement>("input:not([hidden]), button")?.focus();
  }, [step.is]);
  return (
    <section ref={section} class="stack part second-factor">
      <h2>{t("profile.factor")}</h2>
      <p class="faint">{t("profile.factor-text")}</p>
      {step.is === "none" && (
        <Shown of={of}>
          {({ isOn, recoveryCodes }) => (
            <>
              {isOn && <p>{t("profile.factor-is-on", { n: recoveryCodes })}</p>}
              <div>
                <button type="button" onClick={() => setStep({ is: isOn ? "off" : "password" })}>
                  {t(isOn ? "profile.factor-off" : "profile.factor-on")}
                </button>
              </div>
            </>
          )}
        </Shown>
      )}
      <StepForm step={step} onStep={setStep} onDone={onDone} />
    </section>
  );
}

interface StepFormProps {
  step: Step;
  onStep: (step: Step) => void;
  onDone: (() => void) | undefined;
}

function StepForm({ step, onStep, onDone }: StepFormProps) {
  const cancel = () => onStep({ is: "none" });
  switch (step.is) {
    case "none":
      return null;
    case "password": {
      const ask = async ({ password = "" }: Values) => {
        onStep({ is: "code", made: await explained(api.setUpSecondFactor(password)) });
      };
      return (
        <Form key="on" draft="factor/on" submitLabel={t("profile.factor-next")} onSubmit={ask} onCancel={cancel}>
          <PasswordField />
        </Form>
      );
    }
    case "code": {
      const confirm = async ({ code = "" }: Values) => {
        const { recoveryCodes } = await explained(api.confirmSecondFactor(code));
        onStep({ is: "recovery", codes: recoveryCodes });
        tellChange("users");
      };
      return (
        <Form key="code" draft="factor/code" submitLabel={t("profile.factor-on")} onSubmit={confirm} onCancel={cancel}>
          <p>{t("profile.factor-scan")}</p>
          <QrCode text={step.made.uri} label={t("profile.factor-qr")} />
          <p>
            {t("profile.factor-key")}{" "}
            <bdi dir="ltr" class="secret">
              {step.made.secret.match(/.{4}/g)?.join(" ")}
            </bdi>
          </p>
          <CodeField label={t("profile.code")} />
        </Form>
      );
    }
    case "recovery": {
      const done = () => {
        cancel();
        onDone?.();
      };
      return <Recovery codes={step.codes} onDone={done} />;
    }
    case "off": {
      const remove = async ({ password = "", code = "" }: Values) => {
        await explained(api.removeSecondFactor({ password, code }));
        cancel();
        tellChange("users");
        notice(t("profile.factor-is-off"));
        // It may be that the person must have one.
        await refreshUser();
      };
      return (
        <Form key="off" draft="factor/off" submitLabel={t("profile.factor-off")} onSubmit={remove} onCancel={cancel}>
          <PasswordField />
          <CodeField />
        </Form>
      );
    }
  }
}

function PasswordField() {
  return (
    <>
      <input type="text" autocomplete="username" value={state.user?.email} hidden readOnly />
      <Field name="password" type="password" label={t("profile.old")} autocomplete="current-password" required />
    </>
  );
}

/** Puts what the service refuses at the field that it is about. */
async function explained<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (isRefusedCode(error)) throw new FieldError("code", t("sign-in.wrong-code"));
    const isWrong = error instanceof ApiError && error.message === "invalid password";
    throw isWrong ? new FieldError("password", t("profile.wrong")) : error;
  }
}

function Recovery({ codes, onDone }: { codes: string[]; onDone: () => void }) {
  const [copied, setCopied] = useState(false);
  const text = codes.join("\n");
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
  };
  return (
    <>
      <p class="notice" role="status">
        {t("profile.recovery-text")}
      </p>
      <ul class="codes" dir="ltr">
        {codes.map((code) => (
          <li key={code} class="secret">
            {code}
          </li>
        ))}
      </ul>
      <div class="row">
        {"clipboard" in navigator && (
          <button type="button" class="strong" onClick={copy}>
            {peopleText(copied ? "people.copied" : "people.copy")}
          </button>
        )}
        <button type="button" onClick={() => saveFile("mayday-recovery-codes.txt", "text/plain", `${text}\n`)}>
          {t("profile.recovery-save")}
        </button>
        <button type="button" class="plain" onClick={onDone}>
          {peopleText("people.done")}
        </button>
      </div>
    </>
  );
}
