/** To whom a chat is handed over: the colleagues who are here, and how much they have to do. */
import { type ChatView, type Colleague, SessionError, type User } from "@mayday/client";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Dialog } from "../../ui/dialog.js";
import { Icon } from "../../ui/icon.js";
import { addStyle } from "../../ui/style.js";
import { PersonText } from "../../ui/text.js";
import { api, messenger, ROLES } from "../account.js";
import { suspectSignIn, useLoad } from "../kit/load.js";
import { ProblemLine } from "../kit/parts.js";
import { closeDialog, handOver, problemOf } from "../live.js";
import { nameOf } from "../person.js";
import { state } from "../state.js";
import type { TextKey } from "../texts.js";
import style from "./hand-over.css" with { type: "text" };
import { t } from "./texts.js";

/** The list of the agency's people that a page of the service may have. */
const PAGE = 500;
const REFRESH_MS = 3000;
/** Somebody who wants to hand over now does not wait longer to be told who is here. */
const PATIENCE_MS = 5000;

addStyle(style);

/** Stays with the chat for which it was opened, whatever is selected meanwhile, and ends with it. */
export function HandOverDialog() {
  const [chatId] = useState(state.selected);
  const chat = state.live?.chats.find(({ id }) => id === chatId);
  const isOver = !chat || state.gone.has(chat.id);
  // Before anybody sees the dialog go: the next key is for the chats.
  useLayoutEffect(() => {
    if (isOver) closeDialog();
  }, [isOver]);
  if (isOver) return null;
  return (
    <Dialog title={t("hand-over.title", { name: nameOf(chat) })} onClose={closeDialog}>
      <Colleagues chat={chat} />
    </Dialog>
  );
}

function Colleagues({ chat }: { chat: ChatView }) {
  const people = useLoad(
    "users",
    ["users"],
    async (signal) => (await api.users.list({ limit: PAGE }, { signal })).items,
  );
  const present = usePresent();
  const [sent, setSent] = useState<{ busy?: boolean; problem?: TextKey }>({});
  const [refused, setRefused] = useState<number[]>([]);
  const users = people.data?.filter(({ id, role }) => id !== state.user?.id && role >= 2 && !refused.includes(id));
  const rows = users && present !== undefined ? rowsOf(users, present) : undefined;
  const list = useFocus(rows !== undefined);
  const isNew = present?.some(({ organizerId }) => people.data?.every(({ id }) => id !== organizerId));
  const { reload } = people;
  useEffect(() => {
    if (isNew) reload();
  }, [isNew, reload]);
  const choose = async ({ id }: User) => {
    if (sent.busy) return;
    setSent({ busy: true });
    try {
      // The list is some seconds old, and the service hands over to whoever is of the agency.
      const here = await askPresent();
      if (here?.every(({ organizerId }) => organizerId !== id)) throw new SessionError("unknown_colleague", "has gone");
      // The dialog was closed meanwhile. Later it closes with its chat.
      if (!list.current) return;
      await handOver(chat.id, id);
    } catch (error) {
      setSent({ problem: problemOf(error) });
      // Who has gone meanwhile is not offered again.
      if (error instanceof SessionError && error.code === "unknown_colleague") setRefused([...refused, id]);
    }
  };
  return (
    <>
      {sent.problem && <ProblemLine text={t(sent.problem)} />}
      {people.problem && !users && <ProblemLine text={people.problem} retry={reload} />}
      <div>
        <div class="present" role="status">
          {!rows && !people.problem && <p class="faint">{t("hand-over.loading")}</p>}
          {rows?.length === 0 && <p>{t(present ? "hand-over.nobody" : "hand-over.alone")}</p>}
          {rows && rows.length > 0 && !present && (
            <p class="row tight">
              <Icon name="warning" />
              <span class="grow">{t("hand-over.unknown")}</span>
            </p>
          )}
        </div>
        <ul class="colleagues" ref={list} tabIndex={-1} onKeyDown={moveFocus}>
          {rows?.map(({ user, colleague }) => (
            <li key={user.id}>
              <button type="button" data-id={user.id} aria-disabled={sent.busy} onClick={() => choose(user)}>
                <span>
                  <PersonText>{`${user.firstName} ${user.lastName}`}</PersonText>
                  <span class="faint">{t(ROLES[user.role] ?? "role.support")}</span>
                </span>
                <span>
                  {colleague?.waiting && <span>{t("hand-over.waits")}</span>}
                  <span class="faint tabular">
                    {colleague ? t("hand-over.chats", { n: colleague.activeChats }) : t("hand-over.not-known")}
                  </span>
                </span>
              </button>
            </li>
          ))}
        </ul>
      </div>
    </>
  );
}

/** Who is here, asked again and again. Undefined until the first answer, null while the service cannot tell. */
function usePresent(): Colleague[] | null | undefined {
  const [present, setPresent] = useState<Colleague[] | null>();
  useEffect(() => {
    let isGone = false;
    let timer: ReturnType<typeof setTimeout>;
    const ask = async () => {
      if (!document.hidden) {
        const answer = await askPresent();
        if (!isGone) setPresent(answer);
      }
      if (!isGone) timer = setTimeout(ask, REFRESH_MS);
    };
    void ask();
    return () => {
      isGone = true;
      clearTimeout(timer);
    };
  }, []);
  return present;
}

async function askPresent(): Promise<Colleague[] | null> {
  try {
    return await messenger.organizers({ signal: AbortSignal.timeout(PATIENCE_MS), attempts: 1 });
  } catch (error) {
    console.info("Who is here could not be read.", error);
    suspectSignIn(error);
    return null;
  }
}

interface Row {
  user: User;
  /** Undefined if it is not known whether they are here. */
  colleague?: Colleague | undefined;
}

/** Who waits for a request comes first, then who has the fewest chats. */
function rowsOf(users: User[], present: Colleague[] | null): Row[] {
  if (!present) return users.map((user) => ({ user }));
  const sorted = [...present].sort((a, b) => Number(b.waiting) - Number(a.waiting) || a.activeChats - b.activeChats);
  return sorted.flatMap((colleague) => {
    const user = users.find(({ id }) => id === colleague.organizerId);
    return user ? [{ user, colleague }] : [];
  });
}

/**
 * Once the list is there, its first colleague has the focus. Afterwards the focus stays with a colleague wherever the
 * list has them now. When they have gone, the list has it: nobody else may be chosen by a key that was meant for them.
 */
function useFocus(isThere: boolean) {
  const list = useRef<HTMLUListElement>(null);
  const focused = list.current?.contains(document.activeElement) && (document.activeElement as HTMLElement).dataset.id;
  useLayoutEffect(() => {
    if (!focused || (document.activeElement as HTMLElement).dataset.id === focused) return;
    (list.current?.querySelector<HTMLElement>(`[data-id="${focused}"]`) ?? list.current)?.focus();
  });
  // Before anybody sees the list: the next key is for it.
  useLayoutEffect(() => {
    if (isThere) list.current?.querySelector("button")?.focus();
  }, [isThere]);
  return list;
}

/** The arrows go from one colleague to the next. */
function moveFocus(key: KeyboardEvent): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[key.key];
  if (!step) return;
  const buttons = [...(key.currentTarget as Element).querySelectorAll("button")];
  const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
  buttons[at < 0 && step < 0 ? buttons.length - 1 : (at + step + buttons.length) % buttons.length]?.focus();
  key.preventDefault();
}
