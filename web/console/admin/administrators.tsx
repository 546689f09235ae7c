import type { User } from "@mayday/client";
import { PersonText } from "../../ui/text.js";
import { api } from "../account.js";
import { Form, type Values } from "../kit/form.js";
import { tellChange, useLoad, usePages } from "../kit/load.js";
import { More, Page, Shown } from "../kit/parts.js";
import { notice } from "../live.js";
import { DeletePerson, nameOf, PersonFacts, PersonRow, RemoveSecondFactor } from "../people/person.js";
import { NameFields, NewPersonPage, PhoneField } from "../people/person-form.js";
import { mayManage, roleName } from "../people/role.js";
import { go } from "../router.js";
import { state } from "../state.js";
import { ADMINISTRATORS, Tabs } from "./tabs.js";
import { t } from "./texts.js";

/** Only the superadmin may create, change and delete them. */
const isSuperadmin = () => state.user?.role === 0;

export function Administrators() {
  const people = usePages("administrators", ["users"], (page, signal) => api.admin.users.list(page, { signal }));
  const add = isSuperadmin() && (
    <a class="button strong" href={`${ADMINISTRATORS}/new`}>
      {t("admin.add")}
    </a>
  );
  return (
    <Page title={t("admin.administrators")} actions={add}>
      <Tabs shown="administrators" />
      <Shown of={people}>
        {(users) => (
          <>
            <ul class="people">
              {users.map((user) => (
                <PersonRow key={user.id} user={user} role={roleName(user.role)} list={ADMINISTRATORS} />
              ))}
            </ul>
            <More pages={people} />
          </>
        )}
      </Shown>
      {!isSuperadmin() && <p class="faint">{t("admin.superadmin-only")}</p>}
    </Page>
  );
}

export function NewAdministrator() {
  return (
    <NewPersonPage
      title={t("admin.add")}
      back={[t("admin.administrators"), ADMINISTRATORS]}
      draft="administrators/new"
      roles={[1]}
      roleHint={t("admin.role-hint")}
      create={async (person) => {
        const user = await api.admin.users.create(person);
        tellChange("users");
        return user;
      }}
      onCancel={() => go(ADMINISTRATORS)}
    />
  );
}

export function AdministratorPage({ id }: { id: number }) {
  const person = useLoad(`administrators/${id}`, ["users"], (signal) => api.admin.users.get(id, { signal }));
  const user = person.data;
  return (
    <Page
      title={user ? <PersonText>{nameOf(user)}</PersonText> : t("admin.administrator")}
      back={[t("admin.administrators"), ADMINISTRATORS]}
    >
      <Shown of={person}>{(user) => <Details user={user} />}</Shown>
    </Page>
  );
}

function Details({ user }: { user: User }) {
  const isMine = state.user !== undefined && mayManage(state.user, user);
  return (
    <>
      <PersonFacts user={user} role={roleName(user.role)} />
      {isMine && <Edit user={user} />}
      {isMine && <RemoveSecondFactor user={user} users={api.admin.users} />}
      {isMine && (
        <DeletePerson
          user={user}
          text={t("admin.delete-text")}
          list={ADMINISTRATORS}
          remove={() => api.admin.users.delete(user.id)}
        />
      )}
    </>
  );
}

function Edit({ user }: { user: User }) {
  const save = async ({ firstName = "", lastName = "", phoneNumber = "" }: Values) => {
    await api.admin.users.edit(user.id, { firstName, lastName, phoneNumber });
    tellChange("users");
    notice(t("people.saved"));
  };
  return (
    <section class="stack part">
      <h2>{t("people.change")}</h2>
      <Form draft={`administrators/${user.id}`} submitLabel={t("people.save")} onSubmit={save}>
        <NameFields user={user} />
        <PhoneField user={user} />
      </Form>
    </section>
  );
}
