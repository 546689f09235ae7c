// The screens of people, the agency, the record, the profile, the administrators, and of registering an agency.
import assert from "node:assert/strict";
import { HOSTILE } from "./checks.mjs";
import { ORIGIN } from "./fake.mjs";
import { FakeOffice } from "./fake-people.mjs";
import { signIn, testScreens } from "./looks.mjs";

/** Screens for which `team.office` answers. */
function testOffice(area, screens) {
  const withOffice = (open) => async (page, team) => {
    team.office = await FakeOffice.attach(page, team);
    await open(page, team);
  };
  testScreens(area, Object.fromEntries(Object.entries(screens).map(([name, open]) => [name, withOffice(open)])));
}

/** Signs in with a role, and opens an address of the console. */
async function openAs(page, team, role, address) {
  team.user.role = role;
  if (role <= 1) Object.assign(team.user, { firstName: "Ada", lastName: "Admin", agencyId: null });
  await signIn(page, { address });
}

const row = (page) => page.locator(".people li").last();
const button = (page, place) => page.locator(`.page ${place}`);

testOffice("people", {
  list: async (page, team) => {
    await openAs(page, team, 3, "/console/people");
    await row(page).waitFor();
  },
  new: async (page, team) => {
    await openAs(page, team, 2, "/console/people/new");
    await page.locator("#field-firstName").fill("Piotr");
    await page.locator("#field-lastName").fill("Nowak");
    await page.locator("#field-email").fill("olga@demo.example");
    await page.locator("#field-phoneNumber").fill("+48 600 100 300");
    await page.locator("button[type=submit]").click();
    await page.locator("#email-problem").waitFor();
  },
  "hand-over": async (page, team) => {
    await openAs(page, team, 2, "/console/people/new");
    await page.locator("#field-firstName").fill("Piotr");
    await page.locator("#field-lastName").fill("Nowak");
    await page.locator("#field-email").fill("piotr@demo.example");
    await page.locator("#field-phoneNumber").fill("+48 600 100 300");
    await page.locator("button[type=submit]").click();
    await page.locator(".secret").waitFor();
  },
  person: async (page, team) => {
    await openAs(page, team, 2, "/console/people/14");
    await page.locator("#field-role").waitFor();
  },
  "second-factor": async (page, team) => {
    team.office.withSecondFactor.add(14);
    await openAs(page, team, 2, "/console/people/14");
    await button(page, ".part button:not([type=submit])").first().click();
    await page.locator("dialog .answers").waitFor();
  },
  senior: async (page, team) => {
    await openAs(page, team, 3, "/console/people/13");
    await page.locator(".known").waitFor();
  },
  delete: async (page, team) => {
    await openAs(page, team, 2, "/console/people/14");
    await button(page, ".part:last-of-type button").click();
    await page.locator("dialog .answers").waitFor();
  },
  hostile: async (page, team) => {
    Object.assign(team.users[1], { firstName: HOSTILE.slice(0, 100), email: `${"e".repeat(300)}@x.example` });
    await openAs(page, team, 3, "/console/people");
    await row(page).waitFor();
  },
  "hostile-person": async (page, team) => {
    Object.assign(team.users[2], { lastName: HOSTILE.slice(0, 100), email: `${"e".repeat(300)}@x.example` });
    await openAs(page, team, 2, "/console/people/14");
    await button(page, ".part:last-of-type button").click();
    await page.locator("dialog .answers").waitFor();
  },
});

testOffice("agency", {
  owner: async (page, team) => {
    await openAs(page, team, 2, "/console/agency");
    await page.locator("#field-helpPhoneNumber").waitFor();
  },
  support: async (page, team) => {
    await openAs(page, team, 4, "/console/agency");
    await page.locator(".known").waitFor();
  },
  delete: async (page, team) => {
    await openAs(page, team, 2, "/console/agency");
    await button(page, ".part:last-of-type button").click();
    await page.locator("#agency-typed").fill(team.office.agency.name);
  },
  hostile: async (page, team) => {
    Object.assign(team.office.agency, { name: HOSTILE.slice(0, 200), address: HOSTILE.slice(0, 400) });
    await openAs(page, team, 4, "/console/agency");
    await page.locator(".known").waitFor();
  },
});

testOffice("admin", {
  agencies: async (page, team) => {
    await openAs(page, team, 1, "/console/agencies");
    await row(page).waitFor();
  },
  waiting: async (page, team) => {
    await openAs(page, team, 1, "/console/agencies/5");
    await page.locator(".page button.strong").waitFor();
  },
  withdraw: async (page, team) => {
    await openAs(page, team, 1, "/console/agencies/6");
    await button(page, ".part button").first().click();
    await page.locator("dialog .answers").waitFor();
  },
  preview: async (page, team) => {
    await openAs(page, team, 1, "/console/agencies/4");
    await button(page, ".part button").last().click();
    await page.locator(".preview").waitFor();
    await page.locator(".areas a[href='/console/people']").click();
    await row(page).waitFor();
  },
  "preview-hostile": async (page, team) => {
    Object.assign(team.office.agency, { name: HOSTILE.slice(0, 200), address: HOSTILE.slice(0, 400) });
    await openAs(page, team, 1, "/console/agencies/4");
    await button(page, ".part button").last().click();
    await page.locator(".preview bdi, .preview p").first().waitFor();
    await page.locator(".areas a[href='/console/agencies']").click();
    await row(page).waitFor();
  },
  administrators: async (page, team) => {
    await openAs(page, team, 0, "/console/agencies/administrators");
    await row(page).waitFor();
  },
  administrator: async (page, team) => {
    await openAs(page, team, 0, "/console/agencies/administrators/2");
    await page.locator("#field-phoneNumber").waitFor();
  },
  "new-administrator": async (page, team) => {
    await openAs(page, team, 0, "/console/agencies/administrators/new");
    await page.locator("#field-role").waitFor();
  },
});

testOffice("register", {
  form: async (page) => {
    await page.goto(`${ORIGIN}/console`);
    await page.locator("a[href='/console/register']").click();
    await page.locator("#field-password").fill("one password of mine");
    await page.locator("#field-confirmPassword").fill("another password");
    await page.locator("button[type=submit]").click();
    await page.locator("#confirmPassword-problem").waitFor();
  },
  done: async (page) => {
    await page.goto(`${ORIGIN}/console/register`);
    await page.locator("#field-name").fill("Stadium Care");
    await page.locator("button[type=submit]").click();
    await page.locator("a.strong").waitFor();
  },
});

/** A record of a year: sixty rows of every kind. */
function record(office) {
  const [sam, olga, mariam] = office.team.users;
  const event = { name: "Rock night", description: "Open air", address: "Błonia, Kraków", lat: 50.0614, lng: 19.9383 };
  const time = { timeStart: "2026-05-01T16:00:00.000Z", timeEnd: "2026-05-01T23:00:00.000Z" };
  const agency = { ...office.agency, approved: false };
  office.change(olga.id, "Agency", 4, "insert", agency, 300);
  office.change(olga.id, "Agency", 4, "update", { ...agency, address: "Plac Nowy 2, Kraków", approved: true }, 290);
  office.change(olga.id, "Agency", 4, "update", { ...agency, ...office.settings, approved: true }, 289);
  office.change(olga.id, "User", sam.id, "insert", sam, 200);
  office.change(olga.id, "Event", 7, "insert", { ...event, ...time, agencyId: 4 }, 100);
  for (let day = 60; day > 5; day--) {
    office.change(mariam.id, "Event", 7, "update", { ...event, ...time, description: `Open air, day ${day}` }, day);
  }
  const plan = {
    eventId: 7,
    sha256: "3efa64ee95a31".padEnd(64, "5"),
    north: 50.07,
    south: 50.05,
    east: 20,
    west: 19.9,
  };
  office.change(mariam.id, "Event", 7, "update", { ...event, ...time, hasPlan: true, plan }, 4);
  office.change(mariam.id, "Event", 7, "update", { ...event, ...time, plan: null }, 3);
  const issue = { name: "Gate 3 is blocked", description: "A van stands there.", priority: "high", eventId: 7 };
  office.change(sam.id, "Issue", 3, "insert", { ...issue, status: "to_do", timeClosed: null }, 2);
  office.change(77, "Issue", 3, "update", { ...issue, status: "in_progress", timeClosed: null }, 1);
  office.change(sam.id, "Issue", 3, "update", { ...issue, status: "resolved", timeClosed: time.timeEnd }, 0.1);
  office.change(olga.id, "User", sam.id, "update", { ...sam, role: 3, agency: office.agency }, 0.01);
  office.change(mariam.id, "Event", 7, "delete", undefined, 0);
}

testOffice("record", {
  owner: async (page, team) => {
    record(team.office);
    await openAs(page, team, 2, "/console/record");
    await page.locator(".record li").first().waitFor();
    await page.locator(".proof .head").waitFor();
    // What was uploaded is said in words, in every language.
    await page.locator(".record ins", { hasText: "SHA-256" }).waitFor();
    assert.doesNotMatch(await page.locator(".record").textContent(), /hasPlan|\{"/);
  },
  person: async (page, team) => {
    record(team.office);
    await openAs(page, team, 4, "/console/record");
    await page.locator("select").selectOption(String(team.user.id));
    await page.waitForURL(/user=12/);
    await page.locator(".record summary").first().click();
    await page.locator(".record details dl").waitFor();
  },
  broken: async (page, team) => {
    record(team.office);
    team.office.verdict = {
      holds: false,
      rows: 1203,
      head: "ab".repeat(32),
      brokenAt: { id: 1204, reason: "the value is not what was sealed" },
    };
    await openAs(page, team, 2, "/console/record");
    await page.locator(".proof .problem + p:not(:has([lang]))").waitFor();
    await page.locator(".record li").first().waitFor();
  },
  "broken-otherwise": async (page, team) => {
    record(team.office);
    const brokenAt = { id: 1204, reason: "a reason that the console does not know" };
    team.office.verdict = { holds: false, rows: 1203, head: "ab".repeat(32), brokenAt };
    await openAs(page, team, 2, "/console/record");
    await page.locator(".proof .problem + p [lang=en]").waitFor();
    await page.locator(".record li").first().waitFor();
  },
  administrators: async (page, team) => {
    record(team.office);
    await openAs(page, team, 1, "/console/record");
    await page.locator(".record li").first().waitFor();
    await page.locator(".proof .head").waitFor();
  },
  empty: async (page, team) => {
    await openAs(page, team, 3, "/console/record");
    await page.locator(".nothing").waitFor();
  },
  hostile: async (page, team) => {
    const { office } = team;
    office.change(12, "Issue", 1, "insert", { name: HOSTILE, description: HOSTILE, status: "to_do" }, 3);
    office.change(12, "Issue", 1, "update", { name: HOSTILE, description: `${HOSTILE}!`, status: "odd" }, 2);
    office.change(12, "User", 13, "update", { firstName: HOSTILE, lastName: HOSTILE, unheardOf: { of: HOSTILE } }, 1);
    team.users[0].firstName = HOSTILE.slice(0, 100);
    await openAs(page, team, 4, "/console/record");
    await page.locator(".record summary").first().click();
    await page.locator(".record details dl").waitFor();
  },
});

/** Turns the second factor on, up to its recovery codes. */
async function turnOn(page) {
  await button(page, ".second-factor button").click();
  await page.locator("#field-password").fill("right");
  await button(page, ".second-factor button[type=submit]").click();
  await page.locator("#field-code").fill("287082");
  await button(page, ".second-factor button[type=submit]").click();
  await page.locator(".codes li").nth(9).waitFor();
}

testOffice("profile", {
  own: async (page, team) => {
    await openAs(page, team, 4, "/console/profile");
    await page.locator(".known dt").nth(2).waitFor();
  },
  password: async (page, team) => {
    await openAs(page, team, 4, "/console/profile");
    await page.locator("#field-oldPassword").fill("not what it is at all");
    await page.locator("#field-newPassword").fill("a password for tests");
    await page.locator("#field-againPassword").fill("a password for test");
    await page.locator("button[type=submit]").last().click();
    await page.locator("#againPassword-problem").waitFor();
  },
  "second-factor": async (page, team) => {
    await openAs(page, team, 4, "/console/profile");
    await button(page, ".second-factor button").click();
    await page.locator("#field-password").fill("wrong");
    await button(page, ".second-factor button[type=submit]").click();
    await page.locator("#password-problem").waitFor();
  },
  "second-factor-code": async (page, team) => {
    await openAs(page, team, 4, "/console/profile");
    await button(page, ".second-factor button").click();
    await page.locator("#field-password").fill("right");
    await button(page, ".second-factor button[type=submit]").click();
    await page.locator("svg.qr").waitFor();
  },
  "second-factor-recovery": async (page, team) => {
    await openAs(page, team, 4, "/console/profile");
    await turnOn(page);
  },
  "second-factor-off": async (page, team) => {
    team.office.withSecondFactor.add(team.user.id);
    await openAs(page, team, 4, "/console/profile");
    await button(page, ".second-factor button").click();
    await page.locator(".second-factor #field-code").waitFor();
  },
  incomplete: async (page, team) => {
    Object.assign(team.user, { mustChangePassword: true, mustHaveSecondFactor: true });
    await openAs(page, team, 3, "/console");
    await page.locator("#field-oldPassword").waitFor();
  },
  "incomplete-factor": async (page, team) => {
    Object.assign(team.user, { mustHaveSecondFactor: true });
    await openAs(page, team, 1, "/console/agencies");
    await button(page, ".second-factor button").click();
    await page.locator("#field-password").waitFor();
  },
  settings: async (page, team) => {
    await openAs(page, team, 1, "/console/profile");
    await page.locator(".bar button").last().click();
    await page.locator("dialog select").waitFor();
  },
});
