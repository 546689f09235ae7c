/** A person: a row of a list, what is known, and the ends of the second factor and of the account. */
import type { User } from "@mayday/client";
import { PersonText } from "../../ui/text.js";
import type { api } from "../account.js";
import { AskFirst } from "../kit/ask-first.js";
import { fromHere } from "../kit/go-on.js";
import { tellChange, useLoad } from "../kit/load.js";
import { mailAddress } from "../kit/mail.js";
import { When } from "../kit/parts.js";
import { notice } from "../live.js";
import { state } from "../state.js";
import { Phone, Sheet } from "./sheet.js";
import { t } from "./texts.js";

export const nameOf = ({ firstName, lastName }: Pick<User, "firstName" | "lastName">): string =>
  `${firstName} ${lastName}`;

export function PersonRow({ user, role, list }: { user: User; role: string; list: string }) {
  return (
    <li>
      <a href={`${list}/${user.id}`}>
        <span class="name">
          <PersonText>{nameOf(user)}</PersonText>
          {user.id === state.user?.id && <span class="faint"> {t("people.you")}</span>}
        </span>
        <span>{role}</span>
        <bdi dir="ltr" class="faint">
          {user.email}
        </bdi>
        <bdi dir="ltr" class="faint tabular">
          {user.phoneNumber}
        </bdi>
      </a>
    </li>
  );
}

export function PersonFacts({ user, role }: { user: User; role: string }) {
  return (
    <>
      <Sheet
        rows={[
          [t("people.role"), role],
          [
            t("account.email"),
            <a href={mailAddress(user.email)}>
              <bdi dir="ltr">{user.email}</bdi>
            </a>,
          ],
          [t("account.phone"), <Phone number={user.phoneNumber} />],
          [t("people.since"), <When at={user.timeCreated} />],
        ]}
      />
      {user.id === state.user?.id && (
        <p>
          <a href="/console/profile">{t("people.own")}</a>
        </p>
      )}
    </>
  );
}

type Users = Pick<typeof api.users, "secondFactor" | "removeSecondFactor">;

/** Removes the second factor of somebody who has one and has lost the phone. */
export function RemoveSecondFactor({ user, users }: { user: User; users: Users }) {
  const load = (signal: AbortSignal) => users.secondFactor(user.id, { signal });
  const factor = useLoad(`people/${user.id}/second-factor`, ["users"], load);
  if (!factor.data?.isOn) return null;
  const name = nameOf(user);
  const removeNow = async () => {
    await users.removeSecondFactor(user.id);
    notice(t("people.factor-removed", { name }));
    tellChange("users");
  };
  return (
    <section class="part">
      <AskFirst
        label={t("people.factor-remove")}
        title={t("people.factor-title", { name })}
        text={t("people.factor-text")}
        yes={t("people.factor-yes")}
        work={removeNow}
      />
    </section>
  );
}

/** Deletes an account, after saying what goes with it. */
export function DeletePerson(props: { user: User; text: string; list: string; remove: () => Promise<unknown> }) {
  const { user, text, list, remove } = props;
  const name = nameOf(user);
  const removeNow = async () => {
    const goOn = fromHere();
    await remove();
    goOn(list, { replace: true });
    notice(t("people.deleted", { name }));
    tellChange("users");
  };
  return (
    <section class="part">
      <AskFirst
        label={t("people.delete")}
        title={t("people.delete-title", { name })}
        text={text}
        yes={t("people.delete-yes")}
        no={t("people.delete-no")}
        work={removeNow}
      />
    </section>
  );
}
