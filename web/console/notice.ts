/** The last thing that has happened without being asked for, or has failed. */
import { announce } from "../ui/announce.js";
import { type Notice, update } from "./state.js";

const NOTICE_MS = 12_000;

let timer: ReturnType<typeof setTimeout> | undefined;

export function notice(text: string, link?: Notice["link"]): void {
  clearTimeout(timer);
  timer = setTimeout(() => update({ notice: undefined }), NOTICE_MS);
  announce(text);
  update({ notice: { text, link } });
}
