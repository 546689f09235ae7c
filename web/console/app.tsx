/** The console: what is around every screen, and which screen it is. */
import { openIndexedDb } from "@mayday/client/indexeddb";
import { render } from "preact";
import { loadTexts, number } from "../ui/i18n.js";
import { Icon } from "../ui/icon.js";
import { openAccount } from "./account.js";
import { watchGestures } from "./alerts.js";
import { ChatPane, watchLog } from "./chat.js";
import { Dialogs } from "./dialogs.js";
import { watchKeys } from "./keys.js";
import { connectWhenNeeded, heardAt, watchNetwork } from "./live.js";
import { Side } from "./side.js";
import { AdminScreen, SignInScreen } from "./sign-in.js";
import { begin, isLive, state, update } from "./state.js";
import { clockOf, t } from "./texts.js";

async function start(): Promise<void> {
  const [storage] = await Promise.all([openIndexedDb("mayday-console"), loadTexts()]);
  const root = document.getElementById("app") as HTMLElement;
  begin(() => {
    connectWhenNeeded(storage);
    const scrollLog = watchLog();
    render(<Page />, root);
    scrollLog();
  });
  const chatId = /^\/console\/chats\/(\w+)$/.exec(location.pathname)?.[1];
  update({ selected: chatId });
  await openAccount(storage);
  watchNetwork();
  watchKeys();
  watchGestures();
  // Seconds run while somebody sees them.
  setInterval(() => document.hidden || update(), 1000);
}

function Page() {
  const { waiting = 0 } = state.live?.agencyQueue ?? {};
  const unread = state.live?.chats.reduce((sum, chat) => sum + chat.unread, 0) ?? 0;
  document.title = waiting + unread > 0 ? `(${number(waiting + unread)}) Mayday` : "Mayday";
  if (state.screen === "sign-in") return <SignInScreen />;
  if (state.screen === "admin") return <AdminScreen />;
  const { firstName = "", lastName = "" } = state.user ?? {};
  return (
    <>
      <header class="bar">
        <h1>Mayday</h1>
        <Trust />
        <p class="who">
          <bdi dir="auto">{`${firstName} ${lastName}`}</bdi>
        </p>
        <button type="button" class="plain" aria-keyshortcuts="?" onClick={() => update({ dialog: "keys" })}>
          {t("keys.button")}
          <kbd>?</kbd>
        </button>
        <button type="button" class="plain" aria-label={t("menu.title")} onClick={() => update({ dialog: "settings" })}>
          <Icon name="settings" />
        </button>
      </header>
      <main class="live">
        <Side />
        <ChatPane />
        {state.notice && (
          <div class="toast">
            <p>{state.notice}</p>
            <button
              type="button"
              class="plain"
              aria-label={t("menu.close")}
              onClick={() => update({ notice: undefined })}
            >
              <Icon name="close" />
            </button>
          </div>
        )}
      </main>
      <Dialogs />
    </>
  );
}

/** How far the screen can be trusted. */
function Trust() {
  const connection = state.live?.connection;
  const isForgetful = state.live?.persistent === false;
  return (
    <div class={`trust ${isLive() ? "" : "stale"}`} role="status">
      <p>
        <Icon name={isLive() ? "check" : "warning"} />
        <span class="tabular">{trustText(connection)}</span>
      </p>
      {connection?.name === "ended" && (
        <button type="button" onClick={() => location.reload()}>
          {t("trust.reload")}
        </button>
      )}
      {isForgetful && <p>{t("trust.forgetful")}</p>}
    </div>
  );
}

function trustText(connection: NonNullable<typeof state.live>["connection"] | undefined): string {
  if (isLive()) return t("trust.live");
  const time = heardAt ? clockOf(heardAt) : "";
  if (connection?.name === "ended") {
    return t(connection.reason === "replaced" ? "trust.replaced" : "trust.ended", { time });
  }
  if (!heardAt) return t(state.online ? "trust.connecting" : "trust.offline-first");
  return t(state.online ? "trust.reconnecting" : "trust.offline", { time });
}

void start();
