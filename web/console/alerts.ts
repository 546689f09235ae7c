/** Sound and notifications: both are off until somebody wants them. */
import { saveSetting, setting } from "../ui/language.js";
import { alertPerson, allowSound } from "../ui/quiet.js";
import { update } from "./state.js";

export function wantsSound(): boolean {
  return setting("sound") === "on";
}

export function setSound(wanted: boolean): void {
  saveSetting("sound", wanted ? "on" : "off");
  if (wanted) {
    allowSound();
    alertPerson();
  }
  update();
}

/** Browsers allow sound only after a gesture, so each one may be the first. */
export function watchGestures(): void {
  const allow = () => wantsSound() && allowSound();
  addEventListener("pointerdown", allow);
  addEventListener("keydown", allow);
}

export function canNotify(): boolean {
  return "Notification" in globalThis;
}

export function isNotifyingRefused(): boolean {
  return canNotify() && Notification.permission === "denied";
}

export function wantsNotifications(): boolean {
  return canNotify() && Notification.permission === "granted" && setting("notify") === "on";
}

export async function setNotifications(wanted: boolean): Promise<void> {
  const granted = wanted && (await Notification.requestPermission()) === "granted";
  saveSetting("notify", granted ? "on" : "off");
  update();
}

/** Somebody needs this person. What somebody has written is not shown outside the page: others may see the screen. */
export function alertAgent(text: string): void {
  if (wantsSound()) alertPerson();
  if (!document.hidden || !wantsNotifications()) return;
  const notification = new Notification("Mayday", { body: text, tag: "mayday" });
  notification.onclick = () => {
    window.focus();
    notification.close();
  };
}
