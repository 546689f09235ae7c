/** The events and the people that rows refer to by their ids. */
import type { AgencyEvent, User } from "@mayday/client";
import { useMemo } from "preact/hooks";
import { PersonText } from "../../ui/text.js";
import { api } from "../account.js";
import { t } from "../texts.js";
import { useLoad } from "./load.js";

export interface Names {
  /** Undefined until they were read. Those that begin last come first. */
  events: AgencyEvent[] | undefined;
  /** Undefined until they were read. */
  users: User[] | undefined;
}

/** Changes only when what it holds changes. */
export function useNames(): Names {
  const { data: events } = useLoad("events", ["events"], async (signal) => {
    const { items } = await api.events.list({}, { signal });
    return items.sort((a, b) => Date.parse(b.timeStart) - Date.parse(a.timeStart));
  });
  const { data: users } = useLoad("users", ["users"], async (signal) => (await api.users.list({}, { signal })).items);
  return useMemo(() => ({ events, users }), [events, users]);
}

export function EventName({ names, id }: { names: Names; id: number }) {
  const event = names.events?.find((event) => event.id === id);
  return event ? <PersonText>{event.name}</PersonText> : t("event.nameless", { n: id });
}

/** Nothing until people were read; who is not among them has gone, or is an administrator. */
export function UserName({ names, id }: { names: Names; id: number }) {
  const name = userName(names, id);
  return name ? <PersonText>{name}</PersonText> : names.users && `#${id}`;
}

export function userName({ users }: Names, id: number): string | undefined {
  const user = users?.find((user) => user.id === id);
  return user && `${user.firstName} ${user.lastName}`;
}

/** The choices of a filter by event. */
export function EventOptions({ names }: { names: Names }) {
  return (
    <>
      {names.events?.map(({ id, name }) => (
        <option key={id} value={id} dir="auto">
          {name}
        </option>
      ))}
    </>
  );
}
