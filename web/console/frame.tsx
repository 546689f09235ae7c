/** What is around every screen: the bar with the areas, how far the screen can be trusted, and the last notice. */
import type { ComponentChildren } from "preact";
import { Icon } from "../ui/icon.js";
import { isForgetful } from "./account.js";
import { areasOf, isAdmin, isComplete } from "./areas.js";
import { later } from "./later.js";
import { heardAt } from "./live.js";
import { addressOf, currentPlace } from "./router.js";
import { isLive, needed, state, update } from "./state.js";
import { clockOf, t } from "./texts.js";

export function Frame({ children }: { children: ComponentChildren }) {
  const { firstName = "", lastName = "" } = state.user ?? {};
  return (
    <>
      <header class="bar">
        <p class="brand">Mayday</p>
        {hasLive() && <Trust />}
        {hasLive() && <Canary />}
        {isForgetful() && (
          <p class="problem">
            <Icon name="warning" />
            <span>{t("trust.forgetful")}</span>
          </p>
        )}
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

const canary = later(() => import("./canary/strip.js"));

/** Whether all works that people do with Mayday, as the canary has found it. */
function Canary() {
  const Strip = canary()?.Canary;
  return Strip ? <Strip /> : null;
}

const preview = later(() => import("./admin/preview.js"));

/** What an administrator sees of an agency is a preview, and says so. */
function Preview() {
  const { user } = state;
  const isPreviewing = user && isAdmin(user) && user.agencyId !== null && isComplete(user);
  const Strip = isPreviewing ? preview()?.PreviewStrip : undefined;
  return Strip ? <Strip /> : null;
}

/** Administrators talk to nobody. */
function hasLive(): boolean {
  return state.user !== undefined && areasOf(state.user).some(({ name }) => name === "live");
}

function Areas() {
  const { area: shown } = currentPlace();
  const areas = state.user ? areasOf(state.user).filter(({ name }) => name !== "profile") : [];
  const count = needed();
  if (areas.length === 0) return null;
  return (
    <nav class="areas" aria-label={t("area.label")}>
      <ul>
        {areas.map((area) => (
          <li key={area.name}>
            <a href={addressOf(area)} aria-current={area === shown ? "page" : undefined}>
              {t(area.title)}
              {area.name === "live" && area !== shown && count > 0 && (
                <span class="badge">
                  {count}
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
  const { text, link } = state.notice;
  return (
    <aside class="toast" aria-label={t("chat.note")}>
      <p>
        {text}
        {link && (
          <>
            {" "}
            <a href={link[1]}>{link[0]}</a>
          </>
        )}
      </p>
      <button type="button" class="plain" aria-label={t("menu.close")} onClick={() => update({ notice: undefined })}>
        <Icon name="close" />
      </button>
    </aside>
  );
}

/** How far the screen can be trusted. */
function Trust() {
  const connection = state.live?.connection;
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
