// The screens of the archive.
import { HOSTILE } from "./checks.mjs";
import { EVENT } from "./fake.mjs";
import { FakeArchive } from "./fake-archive.mjs";
import { signIn, testScreens } from "./looks.mjs";

const PLACE = { latStart: 50.06143, lngStart: 19.93658, accuracyStart: 12 };
const SAID = [
  "Mayday: Sam Support is with you now.",
  "Problem description: medical emergency. My friend has fainted near the stage, left side. She does not answer.",
  ["I am here with you. Is she breathing?"],
  "Yes. She is pale and cold",
  ["Stay where you are. Two of us are on the way, with a stretcher. Can you see the red flag beside the stage?"],
  "Yes, we are twenty metres from it",
  ["They are with you now. Is there anything else? Otherwise I close the chat."],
  "No. Thank you",
];

async function fill(page, team) {
  const archive = await FakeArchive.attach(page, team);
  team.events = [EVENT, { ...EVENT, id: 2, name: "Derby" }];
  archive.add(60 * 24 * 40, { id: 32, name: "Kasia" }, ["Problem description: I cannot find my son", ["Where?"]]);
  archive.add(60 * 30, { id: 31, guest: undefined, email: "jan.kowalski@example.org" }, SAID.slice(0, 3), {
    eventId: 2,
    kind: "lost",
  });
  archive.add(60 * 7, { id: 33, name: "Omar" }, ["Problem description: Somebody follows me", ["Where are you?"]], {
    ...{ kind: "threat", organizerId: 13, organizerName: "Olga Owner" },
  });
  const jan = { id: 31, guest: undefined, email: "jan.kowalski@example.org", phoneNumber: "+48 600 100 200" };
  const chat = archive.add(25, jan, SAID, { ...PLACE, kind: "medical" });
  const [, , , fourth] = archive.messages.get(chat.id);
  Object.assign(fourth, { lat: 50.0615, lng: 19.9366 });
  archive.add(3, { id: 34 }, ["Problem description: ", ["Hello, what has happened?"]], { kind: "other" });
  return chat;
}

/** How to come to each screen. */
testScreens("archive", {
  list: async (page, team) => {
    await fill(page, team);
    await signIn(page, { address: "/console/archive" });
    await page.locator(".entry").nth(4).waitFor();
    await page.keyboard.press("ArrowDown");
    await page.locator(".entry a:focus").waitFor();
  },
  found: async (page, team) => {
    await fill(page, team);
    await signIn(page, { address: "/console/archive?event=1&from=2020-01-01" });
    await page.locator(".entry").nth(3).waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("stretch");
    await page.locator(".entry").nth(1).waitFor({ state: "detached" });
  },
  none: async (page, team) => {
    await fill(page, team);
    await signIn(page, { address: "/console/archive#q=xyz" });
    await page.locator(".nothing").waitFor();
  },
  empty: async (page, team) => {
    await FakeArchive.attach(page, team);
    await signIn(page, { address: "/console/archive" });
    await page.locator(".nothing").waitFor();
  },
  person: async (page, team) => {
    await fill(page, team);
    await signIn(page, { address: "/console/archive?person=31" });
    await page.locator(".entry").nth(1).waitFor();
  },
  chat: async (page, team) => {
    const { id } = await fill(page, team);
    await signIn(page, { address: `/console/archive/${id}#q=stage` });
    await page.locator(".transcript mark").nth(1).waitFor();
    await page.locator(".archive-earlier .entry").waitFor();
  },
  paper: async (page, team) => {
    const { id } = await fill(page, team);
    await signIn(page, { address: `/console/archive/${id}` });
    await page.locator(".archive-earlier .entry").waitFor();
    await page.emulateMedia({ media: "print" });
  },
  gone: async (page, team) => {
    await FakeArchive.attach(page, team);
    await signIn(page, { address: "/console/archive/0123456789abcdef01234567" });
    await page.locator(".nothing").waitFor();
  },
  hostile: async (page, team) => {
    team.events = [{ ...EVENT, name: HOSTILE.slice(0, 200) }];
    const person = { name: HOSTILE.slice(0, 100), phoneNumber: HOSTILE.slice(0, 30) };
    const archive = await FakeArchive.attach(page, team);
    archive.add(60, person, [HOSTILE], { organizerId: 99, organizerName: HOSTILE });
    const { id } = archive.add(30, person, [HOSTILE, [HOSTILE], HOSTILE], { ...PLACE, organizerName: HOSTILE });
    await signIn(page, { address: `/console/archive/${id}` });
    await page.locator(".archive-earlier .entry").waitFor();
  },
});
