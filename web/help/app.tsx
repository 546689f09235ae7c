/** The phone page: what is around every screen, and which screen it is. */
import { render } from "preact";
import { currentLanguage, loadTexts, t, withoutBidi } from "../ui/i18n.js";
import { Icon } from "../ui/icon.js";
import { isQuiet, setQuiet } from "../ui/quiet.js";
import { PersonText } from "../ui/text.js";
import { AskScreen } from "./ask.js";
import { ChatScreen, watchLog } from "./chat.js";
import { type Device, eventOfAddress } from "./device.js";
import { FindScreen, search } from "./find.js";
import { LadderScreen } from "./ladder.js";
import { connectWhenNeeded, loadEvent, saySteps, sayUnsaidDetails, watchNetwork } from "./live.js";
import { onWhere } from "./location.js";
import { Menu, SIGN_IN } from "./menu.js";
import { begin, currentChat, currentPress, helpNumber, isForgetful, isOpen, session, state, update } from "./state.js";

export async function start(device: Device): Promise<void> {
  const { account, queue } = device;
  await loadTexts();
  await account.load();
  const root = document.getElementById("app") as HTMLElement;
  begin(
    device,
    {
      eventId: undefined,
      presses: queue.snapshot,
      account: account.snapshot,
      online: navigator.onLine,
      unanswered: false,
      menu: account.snapshot.mustSignIn ? { form: SIGN_IN } : undefined,
      details: {},
      find: { query: "" },
    },
    () => renderPage(root),
  );
  // From here on the button is the page's.
  const button = root.querySelector<HTMLButtonElement>(".press");
  if (button) button.onclick = null;
  onWhere(update);
  account.subscribe((snapshot) => {
    const { mustSignIn } = state.account;
    const isSignedOut = snapshot.mustSignIn && !mustSignIn;
    update({ account: snapshot, menu: isSignedOut ? { form: SIGN_IN } : state.menu });
    connectWhenNeeded();
    // The live connection has ended with the sign-in before.
    if (mustSignIn && !snapshot.mustSignIn) void session?.start();
  });
  queue.subscribe((presses) => {
    saySteps(presses);
    update({ presses });
    connectWhenNeeded();
    sayUnsaidDetails();
  });
  watchNetwork();
  addEventListener("popstate", showAddress);
  root.addEventListener("click", followLink);
  showAddress();
  connectWhenNeeded();
  // Ages and waits change by themselves.
  setInterval(update, 30_000);
  if ("serviceWorker" in navigator) void keepShell();
}

/** The shell is kept for when there is no network; of the catalogues, the one in use. */
async function keepShell(): Promise<void> {
  const workers = navigator.serviceWorker;
  try {
    await workers.register("/sw.js", { scope: "/help" });
    if (!workers.controller) {
      await new Promise((resolve) => workers.addEventListener("controllerchange", resolve, { once: true }));
    }
    // What was loaded before the worker was there: it sees it now, and keeps it.
    const loaded = performance.getEntriesByType("resource");
    const catalogue = loaded.find(({ name }) => name.includes(`/assets/${currentLanguage()}-`));
    if (catalogue) await fetch(catalogue.name);
  } catch (error) {
    console.info("The page cannot be kept.", error);
  }
}

function showAddress(): void {
  const eventId = eventOfAddress();
  delete document.documentElement.dataset.find;
  update({ eventId, event: undefined, details: {}, question: undefined });
  if (eventId) void loadEvent(eventId);
  else void search();
}

/** Links of the page change the screen; nothing is loaded again. */
function followLink(click: MouseEvent): void {
  const link = (click.target as Element).closest<HTMLAnchorElement>('a[href^="/help"]');
  if (!link || click.ctrlKey || click.metaKey || click.shiftKey) return;
  click.preventDefault();
  history.pushState(null, "", link.href);
  showAddress();
  scrollTo(0, 0);
}

let screenBefore = "";

function renderPage(root: HTMLElement): void {
  const scrollLog = watchLog();
  render(<Page />, root);
  scrollLog();
  const screen = currentScreen();
  // What had the focus may be gone with the screen before.
  if (screen !== screenBefore) {
    if (document.activeElement === document.body) document.getElementById("main")?.focus({ preventScroll: true });
    if (screen !== "chat") scrollTo(0, 0);
  }
  screenBefore = screen;
}

function currentScreen(): "find" | "ask" | "ladder" | "chat" {
  if (!isOpen(currentPress())) return state.eventId && state.event !== "unknown" ? "ask" : "find";
  return currentChat() ? "chat" : "ladder";
}

function Page() {
  const press = currentPress();
  const chat = currentChat();
  const screen = currentScreen();
  const { event } = state;
  document.title = typeof event === "object" ? `${withoutBidi(event.name)} – Mayday` : "Mayday";
  return (
    <>
      <header class="bar row spread">
        <span class="brand">Mayday</span>
        <span class="row">
          <button type="button" aria-pressed={isQuiet()} onClick={toggleQuiet}>
            <Icon name="moon" />
            {t("quiet.label")}
          </button>
          <button type="button" aria-label={t("menu.title")} onClick={() => update({ menu: {} })}>
            <Icon name="settings" />
          </button>
        </span>
      </header>
      <main id="main" tabIndex={-1}>
        {state.eventId && event !== "unknown" && (
          <h1>
            {typeof event === "object" ? (
              <PersonText>{event.name}</PersonText>
            ) : (
              t(event ? "event.nameless" : "event.loading", { n: state.eventId })
            )}
          </h1>
        )}
        <Notices />
        {screen === "find" && <FindScreen />}
        {screen === "ask" && <AskScreen last={press} />}
        {screen === "ladder" && press && <LadderScreen press={press} />}
        {screen === "chat" && press && chat && <ChatScreen press={press} chat={chat} />}
      </main>
      {state.menu && <Menu {...state.menu} />}
    </>
  );
}

function toggleQuiet(): void {
  setQuiet(!isQuiet());
  update();
}

/** What does not work now, and what still does. */
function Notices() {
  const problem = !state.online
    ? t("net.offline")
    : state.unanswered
      ? t("net.down")
      : state.event === "unavailable" && t("event.unavailable");
  return (
    <>
      {state.account.mustSignIn && (
        <Notice>
          <p>{t("account.ended")}</p>
          <button type="button" onClick={() => update({ menu: { form: SIGN_IN } })}>
            {t("account.sign-in")}
          </button>
        </Notice>
      )}
      {problem && (
        <Notice>
          <p>
            {problem} {helpNumber() && t("net.call")}
          </p>
        </Notice>
      )}
      {isForgetful() && (
        <Notice>
          <p>{t("storage.forbidden")}</p>
        </Notice>
      )}
    </>
  );
}

function Notice({ children }: { children: preact.ComponentChildren }) {
  return (
    <div class="notice" role="status">
      <Icon name="warning" />
      <div class="stack grow">{children}</div>
    </div>
  );
}
