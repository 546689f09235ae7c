/** The console: what is around every screen, and which screen it is. */
import { openIndexedDb } from "@mayday/client/indexeddb";
import { render } from "preact";
import { loadTexts, number } from "../ui/i18n.js";
import { watchSettings } from "../ui/language.js";
import { readQuiet } from "../ui/quiet.js";
import { openAccount } from "./account.js";
import { watchGestures } from "./alerts.js";
import { AreaScreen } from "./area.js";
import { REGISTER } from "./areas.js";
import { ChatPane } from "./chat.js";
import { Dialogs } from "./dialogs.js";
import { Frame } from "./frame.js";
import { watchKeys } from "./keys.js";
import { connectWhenNeeded, isDialogOpen, watchNetwork, watchShares } from "./live.js";
import { isMapShown, MapPane } from "./map-pane.js";
import { currentPlace, watchAddress } from "./router.js";
import { Side } from "./side.js";
import { SignInScreen } from "./sign-in.js";
import { begin, needed, state, update } from "./state.js";
import { t } from "./texts.js";

async function start(): Promise<void> {
  const [storage] = await Promise.all([openIndexedDb("mayday-console"), loadTexts()]);
  const root = document.getElementById("app") as HTMLElement;
  begin(() => {
    connectWhenNeeded(storage);
    render(<Page />, root);
  });
  showAddressedChat();
  await openAccount(storage);
  watchNetwork();
  watchShares();
  watchAddress(showAddressedChat);
  watchKeys();
  watchGestures();
  watchSettings(followSetting);
  // Seconds run while somebody sees them.
  setInterval(() => document.hidden || update(), 1000);
}

/** What was chosen in another tab counts here, too. */
async function followSetting(name: string): Promise<void> {
  if (name === "language") await loadTexts().catch(() => undefined);
  if (name === "quiet") readQuiet();
  update();
}

/** A chat has an address, so that a reload shows it again. A dialog that is still loading is given up. */
function showAddressedChat(): void {
  const chatId = /^\/console\/chats\/(\w+)$/.exec(location.pathname)?.[1];
  update({ ...(chatId && { selected: chatId }), ...(!isDialogOpen() && { dialog: undefined }) });
}

function Page() {
  const count = needed();
  document.title = count > 0 ? `(${number(count)}) Mayday` : "Mayday";
  const place = currentPlace();
  if (state.screen === "sign-in" || !state.user) {
    return location.pathname === "/console/register" ? <AreaScreen {...place} area={REGISTER} /> : <SignInScreen />;
  }
  return (
    <>
      <Frame>
        {place.area?.name === "live" ? (
          <main class={`live ${isMapShown() ? "with-map" : ""}`}>
            <h1 class="unseen">{t("area.live")}</h1>
            <Side />
            <ChatPane />
            <MapPane />
          </main>
        ) : (
          <AreaScreen {...place} />
        )}
      </Frame>
      <Dialogs />
    </>
  );
}

void start();
