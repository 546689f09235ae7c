/** Numbers that say where something is. */
import type { Position, PublicConfig } from "@mayday/client";

/** "50.0614", also with a comma. */
export function coordinate(typed: string, limit: number): number | undefined {
  const value = Number(typed.trim().replace(",", "."));
  return typed.trim() && Math.abs(value) <= limit ? value : undefined;
}

/** "50.0614, 19.9383", as maps and phones give it to be pasted. One number with a comma, as "50,06", is no pair. */
export function positionIn(pasted: string): Position | undefined {
  const [, first = "", second = ""] = /^\s*(-?\d+\.\d+)\s*[,;\s]\s*(-?\d+\.\d+)\s*$/.exec(pasted) ?? [];
  const [lat, lng] = [coordinate(first, 90), coordinate(second, 180)];
  return lat === undefined || lng === undefined ? undefined : { lat, lng };
}

/** About a decimetre: more would only look exact. */
export const exact = (value: number) => Number(value.toFixed(6));

let asked: Promise<string> | undefined;

/** The address of the tiles, if this installation has some. */
export function tileAddress(): Promise<string> {
  asked ??= fetch("/config.json")
    .then(async (answer) => ((await answer.json()) as PublicConfig).tileUrl)
    .catch(() => {
      asked = undefined;
      return "";
    });
  return asked;
}
