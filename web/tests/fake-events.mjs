// The services' answers about events, their contacts and plans, and the figures: for the screens of those areas.
import { refusal } from "./fake-pages.mjs";

const HOUR = 3_600_000;
const at = (hours) => new Date(Math.floor(Date.now() / HOUR) * HOUR + hours * HOUR).toISOString();

/** A plan that is a plain rectangle. */
export const PLAN_IMAGE = [
  "data:image/png;base64,",
  "iVBORw0KGgoAAAANSUhEUgAAAZAAAAEsAQMAAADXeXeBAAAABlBMVEXd3d1VVVUYJoyjAAAANklEQVR42u3LMQ0AMAgAMBzg3yUOtnBigIO0fyMA",
  "Wr6hFEVRFEVRlIsFAAAAAAAAAAAAAIAdH2PA6zHNb1NeAAAAAElFTkSuQmCC",
].join("");

/** A plan as the service shows it, without its place. */
export const PLAN = { eventId: 1, sha256: "ab".repeat(32), image: PLAN_IMAGE };

export const CONTACT = {
  id: 1,
  firstName: "Ewa",
  lastName: "Wójcik",
  email: "ewa.wojcik@security.example",
  phoneNumber: "+48 600 100 200",
  additionalNotes: "Head of security. Gate B until 22:00, then the stage.",
  eventId: 1,
  agencyId: 4,
};

/** An agency with events of all phases, of which the first runs now. */
export function fillEvents(team) {
  const [event] = team.events;
  const describe = "Open-air concert on both banks of the river. The stage is on the south bank.\nDoors open at four.";
  team.events = [
    { ...event, description: describe, timeStart: at(-2), timeEnd: at(5), hasPlan: true },
    { ...event, id: 2, name: "Derby", address: "Reymonta 20, Kraków", timeStart: at(70), timeEnd: at(72) },
    { ...event, id: 3, name: "Winter Festival", address: "Rynek Główny, Kraków", timeStart: at(700), timeEnd: at(760) },
    ...Array.from({ length: 7 }, (_, index) => ({
      ...{ ...event, id: 4 + index, name: `Market Square Concert ${index + 1}`, address: "Rynek Główny 1, Kraków" },
      ...{ timeStart: at(-200 - 24 * index), timeEnd: at(-196 - 24 * index) },
    })),
  ];
  const [security] = [CONTACT];
  team.contacts = [
    security,
    { ...security, id: 2, firstName: "Jan", lastName: "Nowak", phoneNumber: "+48 600 300 400", additionalNotes: "" },
  ];
  team.plan = { ...PLAN, north: 50.0512, south: 50.0488, west: 19.9275, east: 19.9325 };
  team.settings = { maxOpenChats: null, helpPhoneNumber: "+48 555 000 111" };
}

/** Two hours of a concert: a wave of presses, of which a few came too late. */
export function fillStatistics(team) {
  const series = Array.from({ length: 24 }, (_, index) => {
    const presses = Math.max(0, Math.round(6 * Math.sin(index / 4) + 4));
    const taken = Math.max(0, presses - (index % 5 === 0 ? 1 : 0));
    const wait = taken ? 7 + ((index * 7) % 19) : null;
    return { at: at(-2 + index / 12), presses, taken, medianWaitSeconds: wait };
  });
  team.statistics = {
    ...{ eventId: 1, from: at(-2), to: at(0), presses: 98, takenBack: 3, waiting: 2, taken: 93, stepSeconds: 300 },
    waits: { medianSeconds: 11.4, p90Seconds: 24, within15Seconds: 0.81, within20Seconds: 0.934 },
    series,
    organizers: [
      { organizerId: 12, name: "Sam Support", chats: 41, medianWaitSeconds: 9, medianMinutes: 4.2 },
      { organizerId: 13, name: "Olga Owner", chats: 30, medianWaitSeconds: 13, medianMinutes: 6 },
      { organizerId: 15, chats: 22, medianWaitSeconds: 12.5, medianMinutes: null },
    ],
  };
}

/** What the services answer, in the shape of `route.fulfill`; nothing where it is not theirs to answer. */
export function answerEvents(team, request) {
  const { pathname, searchParams } = new URL(request.url());
  const call = `${request.method()} ${pathname.replace("/organizer/agency", "")}`;
  const { events, contacts = [], plan, statistics, settings } = team;
  const one = (rows, id) => {
    const row = rows.find((row) => row.id === Number(id));
    return row ? { json: row } : refusal(404, "not found");
  };
  const [, kind, id] = /^GET \/(events|contacts)\/(\d+)$/.exec(call) ?? [];
  if (kind) return one(kind === "events" ? events : contacts, id);
  if (call === "POST /events" || /^PATCH \/events\/\d+$/.test(call)) {
    const message = ["name should not be empty", "description should not be empty"];
    return refusal(400, message);
  }
  if (call === "GET /contacts" && team.contacts) {
    return { json: contacts.filter(({ eventId }) => String(eventId) === searchParams.get("eventId")) };
  }
  if (/^GET \/events\/\d+\/plan$/.test(call) && plan) return { json: plan };
  if (call === "GET /settings" && settings) return { json: settings };
  if (call === "GET /messenger/statistics" && team.isDown) return refusal(503, "service unavailable");
  if (call === "GET /messenger/statistics" && statistics) return { json: statistics };
  return undefined;
}
