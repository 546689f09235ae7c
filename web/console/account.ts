/** Who uses the console: sign-in, sign-out, and what to do when a token has ended. */
import { ApiError, type Credentials, MessengerApi, OrganizerApi, type Storage, type User } from "@mayday/client";
import { isAdmin } from "./areas.js";
import { type Problem, state, update } from "./state.js";

interface Account {
  user: User;
  token: string;
}

let storage: Storage;
let token: string | undefined;

/** A change of the password is under way: the old token counts no more, and the new one is not there yet. */
let changing: Promise<void> | undefined;

export const credentials: Credentials = { token: () => token, renew };
export const api = new OrganizerApi({ baseUrl: `${location.origin}/organizer`, credentials });
export const messenger = new MessengerApi({ baseUrl: `${location.origin}/messenger`, credentials });

/** What an earlier visit, or another tab, has left. */
export async function openAccount(kept: Storage): Promise<void> {
  storage = kept;
  const account = await storage.get<Account>("account");
  token = account?.token;
  if (!account) return;
  update({ user: account.user, screen: "in" });
  // The live connection does this for the others.
  if (isAdmin(account.user)) void refreshUser();
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

export async function signIn(email: string, password: string): Promise<boolean> {
  update({ signIn: { busy: true, problems: [] } });
  try {
    const account = await api.signIn({ email, password });
    token = account.token;
    await storage.set("account", account);
    const { user } = account;
    update({ user, screen: "in", mustSignIn: false, signIn: { busy: false, problems: [] } });
    return true;
  } catch (error) {
    update({ signIn: { busy: false, problems: problemsOf(error) } });
    return false;
  }
}

/** Ends all sign-ins of the person, and signs in anew here. */
export async function changePassword(oldPassword: string, newPassword: string): Promise<void> {
  const change = async () => {
    await api.changePassword({ oldPassword, newPassword });
    const account = await api.signIn({ email: state.user?.email ?? "", password: newPassword });
    token = account.token;
    await storage.set("account", account);
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
  await api.signOut().catch(() => undefined);
  await forgetToken();
  update({ user: undefined, screen: "sign-in", mustSignIn: false, selected: undefined, dialog: undefined });
}

/** The service refuses the token. The person signs in again; everything else stays as it is. */
export async function endSignIn(): Promise<void> {
  await forgetToken();
  update({ screen: "sign-in", mustSignIn: true, dialog: undefined });
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
    if (!token || user.id !== state.user?.id) return;
    await storage.set("account", { user, token });
    update({ user, screen: "in" });
  } catch (error) {
    console.info("The profile could not be read.", error);
    if (!(error instanceof ApiError) || error.status !== 403) return;
    if ((await renew(asked)) === undefined && token === asked) await endSignIn();
  }
}

function problemsOf(error: unknown): Problem[] {
  if (!(error instanceof ApiError) || error.status === 0 || error.status >= 500) {
    return [{ field: "form", key: "sign-in.unavailable" }];
  }
  if (error.status === 429) return [{ field: "form", key: "account.throttled" }];
  if (error.message.includes("not approved")) return [{ field: "form", key: "sign-in.unapproved" }];
  if (error.message.includes("invalid email or password")) return [{ field: "password", key: "account.wrong" }];
  return error.messages.map((text) => ({ field: /^(email|password)\b/.exec(text)?.[0] ?? "form", text }) as Problem);
}
