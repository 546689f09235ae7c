/** What this phone keeps and does whether or not anything is on the screen: the account, the presses, the position. */
import { openIndexedDb } from "@mayday/client/indexeddb";
import { Account, PressQueue, type RequestDetails, type Storage } from "@mayday/client/press";
import { allowSound } from "../ui/quiet.js";
import { locate } from "./location.js";

export interface Device {
  storage: Storage;
  account: Account;
  queue: PressQueue;
}

export async function openDevice(): Promise<Device> {
  const storage = await openIndexedDb("mayday");
  const account = new Account({ participantUrl: `${location.origin}/participant`, storage });
  const queue = new PressQueue({ account, storage });
  void queue.start();
  return { storage, account, queue };
}

/** The event of the address: `/help/12`. */
export function eventOfAddress(): number | undefined {
  const id = Number(/^\/help\/(\d+)\/?$/.exec(location.pathname)?.[1]);
  return id > 0 ? id : undefined;
}

/** The press. It is stored and sent at once; the position follows it when the phone has found one. */
export async function askForHelp(
  { queue }: Device,
  eventId: number,
  onStored: () => void,
  details: RequestDetails = {},
): Promise<void> {
  allowSound();
  const position = locate();
  await queue.press(eventId, details);
  onStored();
  const fix = await position;
  if (fix) await queue.addDetails(eventId, fix);
}
