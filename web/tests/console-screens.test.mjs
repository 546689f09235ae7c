// The screens of the console's live side and of the sign-in.
import { HOSTILE } from "./checks.mjs";
import { PLAN } from "./fake-events.mjs";
import { idOf } from "./fake-pages.mjs";
import { signIn, testScreens } from "./looks.mjs";

const PLACE = { latStart: 50.06143, lngStart: 19.93658, accuracyStart: 12, positionAtStart: new Date().toISOString() };

function fill(team) {
  team.chat("c1", { name: "Kasia" }, ["Problem description: I cannot find my son", ["Where did you see him last?"]], {
    kind: "lost",
  });
  team.chat(
    "c2",
    { guest: undefined, email: "jan.kowalski@example.org" },
    [
      "Problem description: My friend has fainted near the stage, left side. She does not answer.",
      "Mayday: Sam Support is with you now.",
      ["I am here with you. Is she breathing?"],
      "Yes. She is pale and cold",
      ["Stay where you are. Two of us are on the way."],
      "please hurry",
    ],
    { kind: "medical", ...PLACE },
  );
  team.chat("c3", { name: "Omar" }, ["Problem description: Somebody follows me", "He is still there"], {
    kind: "threat",
  });
}

/** How to come to each screen. */
const SCREENS = {
  "sign-in": async (page) => {
    await signIn(page, { password: "wrong" });
    await page.locator("#password-problem").waitFor();
  },
  "sign-in-code": async (page, team) => {
    team.code = "287082";
    await signIn(page);
    await page.locator("#code").fill("000000");
    await page.locator("button.strong").click();
    await page.locator("#code-problem").waitFor();
  },
  admin: async (page, team) => {
    Object.assign(team.user, { role: 1, agencyId: null });
    await signIn(page);
    await page.locator(".page h1").waitFor();
  },
  empty: async (page, team) => {
    team.queue = { waiting: 0, oldestWaitSeconds: 0 };
    await signIn(page);
    await page.locator(".trust:not(.stale)").waitFor();
    await page.keyboard.press("w");
    await page.locator(".queue [aria-pressed=true]").waitFor();
  },
  chat: async (page, team) => {
    fill(team);
    await signIn(page);
    await page.locator(".chat-item").nth(2).waitFor();
    await page.keyboard.press("2");
    await page.locator(".message").nth(5).waitFor();
    team.tell("typing", { chatId: idOf("c2"), authorId: 31, fromOrganizer: 0 });
    await page.locator(".chat-item em").waitFor();
  },
  canned: async (page, team) => {
    await SCREENS.chat(page, team);
    await page.keyboard.type("/");
    await page.locator("#canned-3").waitFor();
  },
  closing: async (page, team) => {
    await SCREENS.chat(page, team);
    await page.keyboard.press("Alt+c");
    await page.locator(".closing").waitFor();
  },
  history: async (page, team) => {
    team.past(
      "p1",
      { name: "Kasia" },
      ["Problem description: I have lost my bag", ["It is at gate 4."], "Thank you!"],
      {
        timeStart: "2026-06-12T20:14:07.000Z",
        organizerName: "Olga Owner",
      },
    );
    team.past("p2", {}, ["Problem description: Mi hija se ha perdido", ["¿Dónde está usted?"], "Mayday: over"], {
      timeStart: "2025-07-02T21:40:00.000Z",
    });
    await SCREENS.chat(page, team);
    await page.keyboard.press("Alt+p");
    await page.locator(".history-first", { hasText: "lost my bag" }).waitFor();
    await page.locator(".history summary").first().press("Enter");
    await page.locator(".history-messages li").nth(2).waitFor();
  },
  incident: async (page, team) => {
    await SCREENS.chat(page, team);
    await page.keyboard.press("Alt+i");
    await page.locator("dialog input:focus").waitFor();
  },
  "incident-saved": async (page, team) => {
    await SCREENS.incident(page, team);
    await page.keyboard.press("Enter");
    await page.locator(".toast a[href='/console/incidents/1']").waitFor();
  },
  map: async (page, team) => {
    fill(team);
    team.chat("c4", { name: "Zofia" }, ["I am at the stage"], {
      ...{ latStart: 50.0626, lngStart: 19.9382, accuracyStart: 45 },
      positionAtStart: new Date(Date.now() - 7 * 60_000).toISOString(),
    });
    await signIn(page);
    await page.locator(".chat-item").nth(3).waitFor();
    await page.keyboard.press("2");
    await page.keyboard.press("Alt+m");
    if ((await page.locator("[aria-pressed=true] kbd", { hasText: "M" }).count()) === 0) {
      await page.keyboard.press("Alt+m");
    }
    await page.locator(".map-pin").nth(1).waitFor();
  },
  plan: async (page, team) => {
    team.events = [{ ...team.events[0], hasPlan: true }];
    team.plan = { ...PLAN, north: 50.064, south: 50.059, west: 19.932, east: 19.942 };
    await SCREENS.map(page, team);
    await page.locator(".leaflet-image-layer").waitFor();
  },
  "hand-over": async (page, team) => {
    await SCREENS.chat(page, team);
    await page.keyboard.press("Alt+h");
    await page.locator(".colleagues button:focus").waitFor();
  },
  "hand-over-nobody": async (page, team) => {
    team.present = team.present.slice(0, 1);
    await SCREENS.chat(page, team);
    await page.keyboard.press("Alt+h");
    await page.locator("dialog [role=status] p:not(.faint)").waitFor();
  },
  "hand-over-unknown": async (page, team) => {
    team.present = undefined;
    await SCREENS.chat(page, team);
    await page.keyboard.press("Alt+h");
    await page.locator("dialog .icon-warning").waitFor();
  },
  "hand-over-refused": async (page, team) => {
    team.replies.transfer_chat = (_, send) =>
      send("error", { code: "too_many_chats", message: "colleague 13 has reached the limit of 5 open chats" });
    await SCREENS["hand-over"](page, team);
    await page.keyboard.press("Enter");
    await page.locator("dialog .problem").waitFor();
  },
  "hostile-hand-over": async (page, team) => {
    await SCREENS.hostile(page, team);
    await page.keyboard.press("Alt+h");
    await page.locator(".colleagues button:focus").waitFor();
  },
  keys: async (page, team) => {
    await SCREENS.chat(page, team);
    await page.locator(".bar button").first().click();
    await page.locator("dialog").waitFor();
  },
  settings: async (page, team) => {
    await SCREENS.chat(page, team);
    await page.locator(".bar button").last().click();
    await page.locator("dialog select").waitFor();
  },
  gone: async (page, team) => {
    await SCREENS.chat(page, team);
    await page.locator(".composer textarea").fill("Two of us are on the way");
    team.tell("chat_requeued", { chatId: idOf("c2"), organizerId: 12 });
    team.tell("chat_transferred", { chatId: idOf("c1"), fromOrganizerId: 12, organizerId: 13 });
    await page.locator(".toast").waitFor();
    await page.locator(".foot [role=status] button").waitFor();
  },
  stale: async (page, team) => {
    await SCREENS.chat(page, team);
    await team.leave();
    await page.locator(".trust.stale").waitFor();
    await page.locator(".composer textarea").fill("Are you still there?");
    await page.keyboard.press("Enter");
    await page.locator(".message").nth(6).waitFor();
  },
  ended: async (page, team) => {
    await SCREENS.chat(page, team);
    for (const socket of team.sockets) await socket.close({ code: 4501 });
    await page.locator(".left li").nth(2).waitFor();
  },
  forgetful: async (page, team) => {
    await page.addInitScript(() => {
      Object.defineProperty(globalThis, "indexedDB", { get: () => undefined });
    });
    await SCREENS.chat(page, team);
    await page.locator(".bar .problem").waitFor();
  },
  hostile: async (page, team) => {
    team.events = [{ ...team.events[0], name: HOSTILE.slice(0, 200) }];
    team.users[1].firstName = HOSTILE.slice(0, 100);
    team.chat(
      "c9",
      { name: HOSTILE.slice(0, 100), phoneNumber: HOSTILE.slice(0, 30) },
      [HOSTILE, [HOSTILE], HOSTILE],
      PLACE,
    );
    await signIn(page);
    await page.locator(".chat-item").click();
    await page.locator(".message").nth(2).waitFor();
    await page.locator(".facts .person-text").waitFor();
  },
  "hostile-history": async (page, team) => {
    team.past("p9", { name: HOSTILE.slice(0, 100) }, [HOSTILE, [HOSTILE]], { organizerName: HOSTILE });
    await SCREENS.hostile(page, team);
    await page.keyboard.press("Alt+p");
    await page.locator(".history summary").click();
    await page.locator(".history-messages li").nth(1).waitFor();
  },
  "hostile-incident": async (page, team) => {
    await SCREENS.hostile(page, team);
    await page.keyboard.press("Alt+i");
    await page.locator("dialog input:focus").waitFor();
  },
};

testScreens("live", SCREENS);
