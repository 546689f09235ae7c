/** What is around every screen: the bar with the areas, how far the screen can be trusted, and the last notice. */
import type { ComponentChildren } from "preact";
import { Icon } from "../ui/icon.js";
import { moduleOf } from "./area.js";
import { areasOf, isAdmin, PREVIEW } from "./areas.js";
import { heardAt } from "./live.js";
import { addressOf, currentPlace } from "./router.js";
import { isLive, state, update } from "./state.js";
import { clockOf, t } from "./texts.js";

export function Frame({ children }: { children: ComponentChildren }) {
  const { firstName = "", lastName = "" } = state.user ?? {};
  return (
    <>
      <header class="bar">
        <p class="brand">Mayday</p>
        {hasLive() && <Trust />}
        <a class="who" href="/console/profile">
          <bdi dir="auto">{`${firstName} ${lastName}`}</bdi>
        </a>
        <button type="button" class="plain" aria-keyshortcuts="?" onClick={() => update({ dialog: "keys" })}>
          {t("keys.button")}
          <kbd>?</kbd>
        </button>
        <button type="button" class="plain" aria-label={t("menu.title")} onClick={() => update({ dialog: "settings" })}>
          <Icon name="settings" />
        </button>
      </header>
      <Preview />
      <Areas />
      {children}
      <Toast />
    </>
  );
}

/** An administrator who looks into an agency always sees that. */
function Preview() {
  const { user } = state;
  const module = user && isAdmin(user) && user.agencyId !== null ? moduleOf(PREVIEW) : undefined;
  return typeof module === "object" ? <module.Screen key={user?.agencyId} {...currentPlace()} /> : null;
}

/** Administrators talk to nobody. */
function hasLive(): boolean {
  return state.user !== undefined && areasOf(state.user).some(({ name }) => name === "live");
}

function Areas() {
  const { area: shown } = currentPlace();
  const areas = state.user ? areasOf(state.user).filter(({ name }) => name !== "profile") : [];
  const { waiting = 0 } = state.live?.agencyQueue ?? {};
  const unread = state.live?.chats.reduce((sum, chat) => sum + chat.unread, 0) ?? 0;
  return (
    <nav class="areas" aria-label={t("area.label")}>
      <ul>
        {areas.map((area) => (
          <li key={area.name}>
            <a href={addressOf(area)} aria-current={area === shown ? "page" : undefined}>
              {t(area.title)}
              {area.name === "live" && area !== shown && waiting + unread > 0 && (
                <span class="badge">
                  {waiting + unread}
                  <span class="unseen"> {t("area.needed")}</span>
                </span>
              )}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

function Toast() {
  if (!state.notice) return null;
  return (
    <div class="toast">
      <p>{state.notice}</p>
      <button type="button" class="plain" aria-label={t("menu.close")} onClick={() => update({ notice: undefined })}>
        <Icon name="close" />
      </button>
    </div>
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
