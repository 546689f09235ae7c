/** Who has answered: in which order, and by which name. */
import type { Statistics } from "@mayday/client";
import { t } from "./texts.js";

export type Organizer = Statistics["organizers"][number];

export function byChats(organizers: readonly Organizer[]): Organizer[] {
  return [...organizers].sort((a, b) => b.chats - a.chats || a.organizerId - b.organizerId);
}

export function nameOf({ name, organizerId }: Organizer): string {
  return name || t("figures.unknown", { id: String(organizerId) });
}
