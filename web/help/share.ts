/** The position while a chat is open: sent as messages when the phone has moved, and no more often than is of use. */
import { distance, t } from "../ui/i18n.js";
import { type Fix, metresBetween, watch } from "./location.js";
import { session, state, update } from "./state.js";

const LEAST_MS = 30_000;
const LEAST_METRES = 25;
let stop = () => {};

export function startSharing(chatId: string): void {
  stopSharing();
  update({ sharing: { chatId } });
  stop = watch((fix) => {
    const sent = state.sharing?.sent;
    if (sent && !isWorthSending(sent, fix)) return;
    update({ sharing: { chatId, sent: fix } });
    void session?.send(chatId, positionText(fix), fix);
  });
}

export function stopSharing(): void {
  stop();
  stop = () => {};
  if (state.sharing) update({ sharing: undefined });
}

export function positionText({ accuracy }: { accuracy: number }): string {
  return t("share.message", { distance: distance(accuracy) });
}

function isWorthSending(sent: Fix, fix: Fix): boolean {
  const moved = metresBetween(sent, fix) > Math.max(LEAST_METRES, fix.accuracy);
  const sharper = fix.accuracy < sent.accuracy / 2;
  return Date.parse(fix.positionAt) - Date.parse(sent.positionAt) > LEAST_MS && (moved || sharper);
}
