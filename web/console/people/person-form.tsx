/** What an account of a person is made of, and how a new one is handed over. */
import type { NewUser, Role, User } from "@mayday/client";
import { useState } from "preact/hooks";
import { Field, Form, type Values } from "../kit/form.js";
import { Page } from "../kit/parts.js";
import { strongPassword } from "./password.js";
import { nameOf } from "./person.js";
import { roleName } from "./role.js";
import { Sheet } from "./sheet.js";
import { t } from "./texts.js";

export function NameFields({ user }: { user?: User | undefined }) {
  return (
    <div class="pair">
      <Field name="firstName" label={t("people.first-name")} value={user?.firstName} required />
      <Field name="lastName" label={t("people.last-name")} value={user?.lastName} required />
    </div>
  );
}

export function PhoneField({ user }: { user?: User | undefined }) {
  return (
    <Field
      name="phoneNumber"
      type="tel"
      label={t("account.phone")}
      hint={t("people.phone-hint")}
      value={user?.phoneNumber}
      required
    />
  );
}

export function RoleField({ roles, value, hint }: { roles: Role[]; value: Role; hint: string }) {
  return (
    <Field
      name="role"
      label={t("people.role")}
      hint={hint}
      value={String(value)}
      options={roles.map((role) => [String(role), roleName(role)] as const)}
      required
    />
  );
}

/** A strong password is offered. It can be read where it is handed over. */
function OfferedPassword() {
  const [offered, offer] = useState(strongPassword);
  return (
    <div class="offered stack">
      <Field
        key={offered}
        name="password"
        type="password"
        label={t("account.password")}
        hint={t("people.password-hint")}
        value={offered}
        autocomplete="new-password"
        required
      />
      <button type="button" onClick={() => offer(strongPassword())}>
        {t("people.another-password")}
      </button>
    </div>
  );
}

interface NewPersonProps {
  title: string;
  back: [string, string];
  draft: string;
  /** Who can be made; the last is proposed. */
  roles: Role[];
  roleHint: string;
  create(person: NewUser): Promise<User>;
  onCancel: () => void;
}

/** Makes an account, and shows once what has to be handed over. */
export function NewPersonPage({ title, back, draft, roles, roleHint, create, onCancel }: NewPersonProps) {
  const [made, setMade] = useState<{ user: User; password: string }>();
  const submit = async (values: Values) => {
    const { email = "", password = "", firstName = "", lastName = "", phoneNumber = "", role } = values;
    const person = { email: email.trim(), password, firstName, lastName, phoneNumber, role: Number(role) as Role };
    setMade({ user: await create(person), password });
  };
  if (made) return <HandOver {...made} back={back} onNext={() => setMade(undefined)} />;
  return (
    <Page title={title} back={back}>
      <section>
        <Form draft={draft} submitLabel={t("people.create")} onSubmit={submit} onCancel={onCancel}>
          <NameFields />
          <Field name="email" type="email" label={t("account.email")} hint={t("people.email-hint")} required />
          <PhoneField />
          <RoleField roles={roles} value={roles.at(-1) as Role} hint={roleHint} />
          <OfferedPassword />
        </Form>
      </section>
    </Page>
  );
}

const focus = (element: HTMLElement | null) => element?.focus();

function HandOver(props: { user: User; password: string; back: [string, string]; onNext: () => void }) {
  const { user, password, back, onNext } = props;
  const [copied, setCopied] = useState(false);
  const address = `${location.origin}/console`;
  const copy = async () => {
    await navigator.clipboard.writeText([address, user.email, password].join("\n"));
    setCopied(true);
  };
  return (
    <Page title={<span class="clamped">{t("people.made", { name: nameOf(user) })}</span>} back={back}>
      <p class="notice" role="status">
        {t("people.hand-over")}
      </p>
      <Sheet
        rows={[
          [t("people.address"), <bdi dir="ltr">{address}</bdi>],
          [t("account.email"), <bdi dir="ltr">{user.email}</bdi>],
          [
            t("account.password"),
            <bdi dir="ltr" class="secret">
              {password}
            </bdi>,
          ],
        ]}
      />
      <div class="row">
        {"clipboard" in navigator && (
          <button ref={focus} type="button" class="strong" onClick={copy}>
            {t(copied ? "people.copied" : "people.copy")}
          </button>
        )}
        <button type="button" onClick={onNext}>
          {t("people.next")}
        </button>
        <a class="button plain" href={back[1]}>
          {t("people.done")}
        </a>
      </div>
    </Page>
  );
}
