// The screens of incidents.
import { HOSTILE } from "./checks.mjs";
import { EVENT } from "./fake.mjs";
import { FakeIncidents } from "./fake-incidents.mjs";
import { signIn, testScreens } from "./looks.mjs";

const CHILD = `He says his name is Staś. He lost his mother near stage 2, in the crowd, about ten minutes ago.

Person: Anna, his mother
Phone number: +48 600 100 200
Position: 50.06143, 19.93658 ±12 m (21:14)`;

async function fill(page, team) {
  const incidents = await FakeIncidents.attach(page, team);
  team.events = [EVENT, { ...EVENT, id: 2, name: "Derby" }];
  const olga = { authorId: 13 };
  incidents.add("Fence down at the north gate", 190, { status: "resolved", timeClosed: new Date().toISOString() });
  incidents.add("Water tap behind stage 2 is dry", 95, { status: "in_progress", priority: "low", ...olga });
  incidents.add("Lost child, blue jacket, waits at the info point", 40, {
    status: "in_progress",
    priority: "high",
    description: CHILD,
  });
  incidents.add("Lights out on the path to the car park P3", 31, { eventId: 2, authorId: 14 });
  incidents.add("Man with a flare in block C", 12, { priority: "high", ...olga });
  incidents.add("Test of the radios", 900, { status: "cancelled", priority: "low", ...olga });
  incidents.comment(3, "His name is Staś, four years old. Looking for Anna, his mother.", 33);
  incidents.comment(3, "Announced from the main stage, in Polish and English.", 25, olga);
  incidents.comment(3, "A woman has come to the info point. She says she is the mother.", 2);
  return incidents;
}

async function list(page, team) {
  await fill(page, team);
  await signIn(page, { address: "/console/incidents" });
  await page.locator(".entry").nth(3).waitFor();
}

/** How to come to each screen. */
testScreens("incidents", {
  list: async (page, team) => {
    await list(page, team);
    await page.keyboard.press("ArrowDown");
    await page.locator(".entry").first().getByRole("link").and(page.locator(":focus")).waitFor();
    await page.getByText(/[3٣]/).first().waitFor();
  },
  keys: async (page, team) => {
    await list(page, team);
    await page.keyboard.press("?");
    await page.locator(".keys tr").nth(6).waitFor();
  },
  all: async (page, team) => {
    await list(page, team);
    await page.locator(".incident-states button").last().click();
    await page.locator(".entry").nth(5).waitFor();
  },
  empty: async (page, team) => {
    await FakeIncidents.attach(page, team);
    await signIn(page, { address: "/console/incidents" });
    await page.locator(".nothing").waitFor();
  },
  incident: async (page, team) => {
    await fill(page, team);
    await signIn(page, { address: "/console/incidents/3" });
    await page.locator(".incident-comment").nth(2).waitFor();
    await page.keyboard.press("1");
    await page.locator(".incident-states [aria-pressed=true]").first().waitFor();
  },
  edit: async (page, team) => {
    const incidents = await fill(page, team);
    await signIn(page, { address: "/console/incidents/3/edit" });
    await page.locator("#field-name").fill("");
    incidents.refusal = ["name should not be empty"];
    await page.locator(".form button.strong").click();
    await page.locator("#name-problem").waitFor();
  },
  new: async (page, team) => {
    await fill(page, team);
    await signIn(page, { address: "/console/incidents/new" });
    await page.locator("#field-name").fill("Smoke over stage 1");
  },
  delete: async (page, team) => {
    await fill(page, team);
    await signIn(page, { address: "/console/incidents/3" });
    await page.locator(".page header button").click();
    await page.locator("dialog").waitFor();
  },
  gone: async (page, team) => {
    await FakeIncidents.attach(page, team);
    await signIn(page, { address: "/console/incidents/99" });
    await page.locator(".page .problem").waitFor();
  },
  hostile: async (page, team) => {
    team.events = [{ ...EVENT, name: HOSTILE.slice(0, 200) }];
    team.users[1].firstName = HOSTILE.slice(0, 100);
    const incidents = await FakeIncidents.attach(page, team);
    incidents.add(HOSTILE.slice(0, 200), 3, { description: HOSTILE, authorId: 13 });
    incidents.comment(1, HOSTILE.slice(0, 2000), 2, { authorId: 13 });
    await signIn(page, { address: "/console/incidents" });
    await page.locator(".entry a").click();
    await page.locator(".incident-comment").waitFor();
  },
  "hostile-list": async (page, team) => {
    team.events = [{ ...EVENT, name: HOSTILE.slice(0, 200) }];
    team.users[1].firstName = HOSTILE.slice(0, 100);
    const incidents = await FakeIncidents.attach(page, team);
    incidents.add(HOSTILE.slice(0, 200), 3, { authorId: 13 });
    await signIn(page, { address: "/console/incidents" });
    await page.locator(".entry").waitFor();
  },
});
