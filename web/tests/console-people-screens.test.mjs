// The screens of people, the agency, the administrators, and of registering an agency.
import { HOSTILE } from "./checks.mjs";
import { ORIGIN } from "./fake.mjs";
import { signIn, testScreens } from "./looks.mjs";

/** Signs in with a role, and opens an address of the console. */
async function openAs(page, team, role, address) {
  team.user.role = role;
  if (role <= 1) Object.assign(team.user, { firstName: "Ada", lastName: "Admin", agencyId: null });
  await signIn(page, { address });
}

const row = (page) => page.locator(".people li").last();
const button = (page, place) => page.locator(`.page ${place}`);

testScreens("people", {
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
  senior: async (page, team) => {
    await openAs(page, team, 3, "/console/people/13");
    await page.locator(".sheet").waitFor();
  },
  delete: async (page, team) => {
    await openAs(page, team, 2, "/console/people/14");
    await button(page, ".danger button").click();
    await page.locator("dialog .answers").waitFor();
  },
  hostile: async (page, team) => {
    Object.assign(team.users[1], { firstName: HOSTILE.slice(0, 400), email: `${"e".repeat(300)}@x.example` });
    await openAs(page, team, 3, "/console/people");
    await row(page).waitFor();
  },
  "hostile-person": async (page, team) => {
    Object.assign(team.users[2], { lastName: HOSTILE.slice(0, 400), email: `${"e".repeat(300)}@x.example` });
    await openAs(page, team, 2, "/console/people/14");
    await button(page, ".danger button").click();
    await page.locator("dialog .answers").waitFor();
  },
});

testScreens("agency", {
  owner: async (page, team) => {
    await openAs(page, team, 2, "/console/agency");
    await page.locator("#field-helpPhoneNumber").waitFor();
  },
  support: async (page, team) => {
    await openAs(page, team, 4, "/console/agency");
    await page.locator(".sheet").waitFor();
  },
  delete: async (page, team) => {
    await openAs(page, team, 2, "/console/agency");
    await button(page, ".danger button").click();
    await page.locator("#agency-typed").fill(team.office.agency.name);
  },
  hostile: async (page, team) => {
    Object.assign(team.office.agency, { name: HOSTILE, address: HOSTILE });
    await openAs(page, team, 4, "/console/agency");
    await page.locator(".sheet").waitFor();
  },
});

testScreens("admin", {
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
    await button(page, ".danger button").first().click();
    await page.locator("dialog .answers").waitFor();
  },
  preview: async (page, team) => {
    await openAs(page, team, 1, "/console/agencies/4");
    await button(page, ".danger button").last().click();
    await page.locator(".preview").waitFor();
    await page.locator(".areas a[href='/console/people']").click();
    await row(page).waitFor();
  },
  "preview-hostile": async (page, team) => {
    Object.assign(team.office.agency, { name: HOSTILE, address: HOSTILE });
    await openAs(page, team, 1, "/console/agencies/4");
    await button(page, ".danger button").last().click();
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

testScreens("register", {
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
