// The screens of the figures. What is checked of each is in looks.mjs.
import { HOSTILE } from "./checks.mjs";
import { fillEvents, fillStatistics } from "./fake-events.mjs";
import { signIn, testScreens } from "./looks.mjs";

async function open(page, team, query = "") {
  if (!team.contacts) fillEvents(team);
  if (!team.statistics) fillStatistics(team);
  await signIn(page, { address: `/console/figures${query}` });
  await page.locator("#figures-event").waitFor();
}

const charts = (page) => page.locator(".chart canvas").nth(1).waitFor();

testScreens("figures", {
  event: async (page, team) => {
    await open(page, team);
    await charts(page);
    await page.locator(".u-over").first().hover();
  },
  table: async (page, team) => {
    await open(page, team, "?event=1&span=event");
    await charts(page);
    await page.locator("summary").click();
    await page.locator("details tbody tr").first().waitFor();
    await page.locator(".organizers").scrollIntoViewIfNeeded();
  },
  custom: async (page, team) => {
    await open(page, team, "?event=all&span=custom&from=2026-07-03T16:00:00Z&to=2026-07-03T18:00:00Z");
    await charts(page);
  },
  none: async (page, team) => {
    fillStatistics(team);
    const waits = { medianSeconds: null, p90Seconds: null, within15Seconds: null, within20Seconds: null };
    const sums = { presses: 0, taken: 0, takenBack: 0, waiting: 0, waits };
    team.statistics = { ...team.statistics, ...sums, series: [], organizers: [] };
    await open(page, team, "?event=all&span=today");
    await page.locator(".nothing").waitFor();
  },
  "not-begun": async (page, team) => {
    await open(page, team, "?event=3&span=event");
    await page.locator(".nothing").waitFor();
  },
  hostile: async (page, team) => {
    fillStatistics(team);
    fillEvents(team);
    team.events[0].name = HOSTILE.slice(0, 200);
    team.statistics.organizers[0].name = HOSTILE.slice(0, 201);
    await open(page, team);
    await charts(page);
  },
});
