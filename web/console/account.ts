/** Who uses the console: sign-in, sign-out, and what to do when the service takes a right away. */

import {
  ApiError,
  type Credentials,
  MessengerApi,
  OrganizerApi,
  type Role,
  type Storage,
  type User,
} from "@mayday/client";
import { saveSetting } from "../ui/language.js";
import { isAdmin, isComplete } from "./areas.js";
import { forgetDrafts } from "./drafts.js";
import { notice } from "./notice.js";
import { NO_SIGN_IN, type Problem, state, update } from "./state.js";
import { type TextKey, t } from "./texts.js";

interface Account {
  user: User;
  token: string;
}

/** The roles of an agency. */
export const ROLES: Partial<Record<Role, TextKey>> = { 2: "role.owner", 3: "role.manager", 4: "role.support" };

let storage: Storage;
let token: string | undefined;
/** What a tab does, the other tabs of this browser do, too. */
const tabs = "BroadcastChannel" in globalThis ? new BroadcastChannel("mayday-account") : undefined;

/** A change of the password is under way: the old token counts no more, and the new one is not there yet. */
let changing: Promise<void> | undefined;

export const credentials: Credentials = { token: () => token, renew };
export const api = new OrganizerApi({ baseUrl: `${location.origin}/organizer`, credentials });
export const messenger = new MessengerApi({ baseUrl: `${location.origin}/messenger`, credentials });

/** What an earlier visit, or another tab, has left. */
export async function openAccount(kept: Storage): Promise<void> {
  storage = kept;
  const account = await storage.get<Account>("account");
  if (account) enter(account);
  if (tabs) tabs.onmessage = ({ data }) => follow(data as "in" | "out");
  // The live connection does this for the others.
  if (account && (isAdmin(account.user) || !isComplete(account.user))) void refreshUser();
}

/** Another tab has signed in, or out. */
async function follow(what: "in" | "out"): Promise<void> {
  const account = await storage.get<Account>("account");
  if (what === "in" && account && account.token !== token) enter(account);
  else if (what === "out" && !account) leave();
}

/** After a change of the password, here or in another tab of this browser, there is a newer token of the person. */
async function renew(refused: string | undefined): Promise<string | undefined> {
  await changing?.catch(() => undefined);
  if (token !== refused) return token;
  const account = await storage.get<Account>("account");
  if (!account || account.token === refused || account.user.id !== state.user?.id) return undefined;
  token = account.token;
  return token;
}

/** True when nothing outlives the page. */
export function isForgetful(): boolean {
  return storage?.persistent === false;
}

export async function signIn(email: string, password: string, code?: string): Promise<boolean> {
  const { asksCode } = state.signIn;
  update({ signIn: { busy: true, problems: [], asksCode } });
  try {
    const account = await api.signIn({ email, password, code });
    await storage.set("account", account);
    await forgetUnsent(account.user.id);
    enter(account);
    tabs?.postMessage("in");
    return true;
  } catch (error) {
    const isAsking = error instanceof ApiError && error.message === "second factor required";
    const problems = isAsking ? [] : problemsOf(error);
    update({ signIn: { busy: false, problems, asksCode: asksCode || isAsking } });
    return false;
  }
}

function enter(account: Account): void {
  const { user } = account;
  // Somebody else has a screen of their own.
  if (state.user && state.user.id !== user.id) forgetScreen();
  token = account.token;
  update({ user, screen: "in", mustSignIn: false, left: undefined, signIn: NO_SIGN_IN });
}

/** Ends all sign-ins of the person, and signs in anew here. `code` is of those who have a second factor. */
export async function changePassword(oldPassword: string, newPassword: string, code?: string): Promise<void> {
  const change = async () => {
    await api.changePassword({ oldPassword, newPassword });
    const account = await api.signIn({ email: state.user?.email ?? "", password: newPassword, code });
    token = account.token;
    await storage.set("account", account);
    update({ user: account.user });
    tabs?.postMessage("in");
  };
  changing = change();
  try {
    await changing;
  } finally {
    changing = undefined;
  }
}

/** The token counts no more, wherever it is. Without network it is at least gone from here. */
export async function signOut(): Promise<void> {
  const ended = token;
  await api.signOut().catch(() => undefined);
  // It was pressed twice, or its answer came late: somebody has signed in since.
  if (token && token !== ended) return;
  await forgetToken();
  leave();
  tabs?.postMessage("out");
  await forgetUnsent();
}

/** Messages that were not sent belong to who wrote them: only that person's stay, for the live connection to send. */
async function forgetUnsent(owner?: number): Promise<void> {
  for (const { key } of await storage.list("outbox/")) {
    if (!key.startsWith(`outbox/organizer:${owner}/`)) await storage.delete(key);
  }
}

function leave(): void {
  token = undefined;
  forgetScreen();
  update({ user: undefined, screen: "sign-in", mustSignIn: false, left: undefined, dialog: undefined });
}

/** What somebody has written and not sent is theirs, and so is the place where they were. */
function forgetScreen(): void {
  forgetDrafts();
  if (/^\/console\/(?!register)/.test(location.pathname)) history.replaceState(null, "", "/console");
  update({ selected: undefined, history: false, order: [] });
  saveSetting("order", "");
}

/**
 * The service refuses the token. The person signs in again and comes back to the same place. Until then they see whom
 * they can still help, and how.
 */
export async function endSignIn(): Promise<void> {
  if (state.screen === "sign-in") return;
  const left = state.live?.chats.filter((chat) => chat.state === "active");
  update({ screen: "sign-in", mustSignIn: true, left, dialog: undefined });
  await forgetToken();
}

/** Another tab may have signed in again already. */
async function forgetToken(): Promise<void> {
  const account = await storage.get<Account>("account");
  if (account?.token === token) await storage.delete("account");
  token = undefined;
}

/** Roles change while somebody is signed in. A token that does not even open the profile has ended. */
export async function refreshUser(): Promise<void> {
  const asked = token;
  if (!asked) return;
  try {
    const user = await api.profile();
    const before = state.user;
    if (!token || user.id !== before?.id) return;
    await storage.set("account", { user, token });
    update({ user, screen: "in" });
    const role = ROLES[user.role];
    if (role && user.role !== before.role) notice(t("role.changed", { role: t(role) }));
  } catch (error) {
    console.info("The profile could not be read.", error);
    if (!(error instanceof ApiError) || error.status !== 403) return;
    if ((await renew(asked)) === undefined && token === asked) await endSignIn();
  }
}

function problemsOf(error: unknown): Problem[] {
  if (!(error instanceof ApiError) || error.status === 0 || error.status >= 500) {
    return [{ field: "form", key: "error.unavailable" }];
  }
  if (error.status === 429) return [{ field: "form", key: "account.throttled" }];
  if (error.message.includes("not approved")) return [{ field: "form", key: "sign-in.unapproved" }];
  if (error.message === "invalid code") return [{ field: "code", key: "sign-in.wrong-code" }];
  if (error.message.includes("invalid email or password")) return [{ field: "password", key: "account.wrong" }];
  return error.messages.map((text) => ({ field: /^(email|password)\b/.exec(text)?.[0] ?? "form", text }) as Problem);
}
