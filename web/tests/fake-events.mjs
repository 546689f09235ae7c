// The services' answers about events, their contacts and plans, and the figures: for the screens of those areas.
const HOUR = 3_600_000;
const at = (hours) => new Date(Math.floor(Date.now() / HOUR) * HOUR + hours * HOUR).toISOString();

/** A plan that is a plain rectangle. */
export const PLAN_IMAGE = `data:image/svg+xml,${encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" width="400" height="300"><rect width="400" height="300" fill="#ddd"/>' +
    '<rect x="140" y="20" width="120" height="50" fill="#555"/></svg>',
)}`;

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
  team.plan = { image: PLAN_IMAGE, north: 50.0512, south: 50.0488, west: 19.9275, east: 19.9325 };
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
    return row ? { json: row } : { status: 404, json: { statusCode: 404, message: "not found" } };
  };
  const [, kind, id] = /^GET \/(events|contacts)\/(\d+)$/.exec(call) ?? [];
  if (kind) return one(kind === "events" ? events : contacts, id);
  if (call === "POST /events" || /^PATCH \/events\/\d+$/.test(call)) {
    const message = ["name should not be empty", "description should not be empty"];
    return { status: 400, json: { statusCode: 400, message, error: "Bad Request" } };
  }
  if (call === "GET /contacts" && team.contacts) {
    return { json: contacts.filter(({ eventId }) => String(eventId) === searchParams.get("eventId")) };
  }
  if (/^GET \/events\/\d+\/plan$/.test(call) && plan) return { json: plan };
  if (call === "GET /settings" && settings) return { json: settings };
  if (call === "GET /messenger/statistics" && team.isDown) return { status: 503, body: "" };
  if (call === "GET /messenger/statistics" && statistics) return { json: statistics };
  return undefined;
}
