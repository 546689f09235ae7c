/** The people of an agency. */
import type { PersonEdits, Role, User } from "@mayday/client";
import { PersonText } from "../../ui/text.js";
import { api } from "../account.js";
import { isAdmin, isManager, type ScreenProps } from "../areas.js";
import { Form, type Values } from "../kit/form.js";
import { tellChange, useLoad, usePages } from "../kit/load.js";
import { More, Page, Shown } from "../kit/parts.js";
import { notice } from "../live.js";
import { go } from "../router.js";
import { state } from "../state.js";
import { DeletePerson, nameOf, PersonFacts, PersonRow, RemoveSecondFactor } from "./person.js";
import { NameFields, NewPersonPage, PhoneField, RoleField } from "./person-form.js";
import { mayManage, roleName, rolesBelow } from "./role.js";
import { t } from "./texts.js";

export { catalogues } from "./texts.js";

const LIST = "/console/people";

export function Screen({ path: [first] }: ScreenProps) {
  const me = state.user as User;
  if (first === undefined) return <People me={me} />;
  if (first === "new" && isManager(me)) return <NewPerson me={me} />;
  return <Person key={first} me={me} id={Number(first)} />;
}

function People({ me }: { me: User }) {
  const people = usePages("people", ["users"], (page, signal) => api.users.list(page, { signal }));
  const add = isManager(me) && (
    <a class="button strong" href={`${LIST}/new`}>
      {t("people.add")}
    </a>
  );
  return (
    <Page title={t("area.people")} actions={add}>
      <Shown of={people}>
        {(users) => (
          <>
            <ul class="people">
              {users.map((user) => (
                <PersonRow key={user.id} user={user} role={roleName(user.role)} list={LIST} />
              ))}
            </ul>
            <More pages={people} />
          </>
        )}
      </Shown>
    </Page>
  );
}

function NewPerson({ me }: { me: User }) {
  return (
    <NewPersonPage
      title={t("people.add")}
      back={[t("area.people"), LIST]}
      draft="people/new"
      roles={rolesBelow(me)}
      roleHint={t("people.role-hint")}
      create={async (person) => {
        const user = await api.users.create(person);
        tellChange("users");
        return user;
      }}
      onCancel={() => go(LIST)}
    />
  );
}

function Person({ me, id }: { me: User; id: number }) {
  const person = useLoad(`people/${id}`, ["users"], (signal) => api.users.get(id, { signal }));
  const user = person.data;
  return (
    <Page title={user ? <PersonText>{nameOf(user)}</PersonText> : t("people.person")} back={[t("area.people"), LIST]}>
      <Shown of={person}>{(user) => <Details me={me} user={user} />}</Shown>
    </Page>
  );
}

function Details({ me, user }: { me: User; user: User }) {
  const isMine = mayManage(me, user) && isManager(me) && !isAdmin(user);
  return (
    <>
      <PersonFacts user={user} role={isAdmin(user) ? t("people.previews") : roleName(user.role)} />
      <p>
        <a href={`/console/record?user=${user.id}`}>{t("people.record")}</a>
      </p>
      {isMine && <Edit me={me} user={user} />}
      {isMine && <RemoveSecondFactor user={user} users={api.users} />}
      {isMine && (
        <DeletePerson user={user} text={t("people.delete-text")} list={LIST} remove={() => api.users.delete(user.id)} />
      )}
      {!isMine && user.id !== me.id && isManager(me) && <p class="faint">{t("people.senior")}</p>}
    </>
  );
}

function Edit({ me, user }: { me: User; user: User }) {
  const save = async (values: Values) => {
    const { firstName = "", lastName = "", phoneNumber = "", role } = values;
    const edits: PersonEdits & { role?: Role } = { firstName, lastName, phoneNumber };
    if (Number(role) !== user.role) edits.role = Number(role) as Role;
    await api.users.edit(user.id, edits);
    tellChange("users");
    notice(t("people.saved"));
  };
  return (
    <section class="stack part">
      <h2>{t("people.change")}</h2>
      <Form draft={`people/${user.id}`} submitLabel={t("people.save")} onSubmit={save}>
        <NameFields user={user} />
        <PhoneField user={user} />
        <RoleField roles={rolesBelow(me)} value={user.role} hint={t("people.new-role-hint")} />
      </Form>
    </section>
  );
}
