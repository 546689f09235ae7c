/** The first script of the phone page: it makes the button work, and then brings the rest. */
import { askForHelp, eventOfAddress, openDevice } from "./device.js";

const device = openDevice();
const button = document.querySelector<HTMLButtonElement>(".press");

if (button) {
  button.onclick = async () => {
    const eventId = eventOfAddress();
    if (!eventId) return;
    button.disabled = true;
    await askForHelp(await device, eventId, () => button.nextElementSibling?.removeAttribute("hidden"));
  };
}

/** On a network that loses packets a part may not arrive at the first try. */
async function bringTheRest(attempt = 1): Promise<void> {
  try {
    const { start } = await import("./app.js");
    await start(await device);
  } catch (error) {
    console.error("The page could not be completed, trying again.", error);
    setTimeout(() => bringTheRest(attempt + 1), Math.min(attempt * 2000, 15_000));
  }
}
void bringTheRest();
