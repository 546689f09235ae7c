// What the console's live side asks of the services beside its socket.
import { refusal } from "./fake-pages.mjs";

const FIGURES = {
  ...{ eventId: null, from: "2026-05-01T10:00:00.000Z", to: "2026-05-02T10:00:00.000Z" },
  ...{ presses: 96, takenBack: 0, waiting: 3, taken: 93, stepSeconds: 3600, series: [], organizers: [] },
};
const UNAVAILABLE = refusal(503, "service unavailable");

/** The answer in the shape of `route.fulfill`, if the call is one of those. */
export function answerLive(team, call, request) {
  if (call === "GET /statistics") {
    const waits = { medianSeconds: 9, p90Seconds: 24, ...team.shares };
    return team.shares ? { json: { ...FIGURES, waits } } : UNAVAILABLE;
  }
  if (call === "GET /canary") return team.canary ? { json: team.canary } : { status: 204 };
  if (call === "GET /agency/organizers") return team.present ? { json: team.present } : UNAVAILABLE;
  if (call === "POST /agency/chats/search") {
    const { participantId: wanted } = request.postDataJSON();
    return { json: team.archive.filter(({ participantId }) => !wanted || participantId === wanted) };
  }
  const [, chatId] = /^GET \/agency\/chats\/(\w+)\/messages$/.exec(call) ?? [];
  if (chatId) return { json: team.messages.get(chatId) };
  if (call === "GET /agency/issues") return { json: team.issues };
  if (call === "GET /agency/comments" || call === "GET /admin/agencies") return { json: [] };
  if (call === "POST /agency/issues") {
    const { id: authorId, agencyId } = team.user;
    const made = { timeCreated: new Date().toISOString(), timeClosed: null, authorId, agencyId };
    const issue = { id: team.issues.length + 1, status: "to_do", ...made, ...request.postDataJSON() };
    team.issues.push(issue);
    return { status: 201, json: issue };
  }
  return undefined;
}
