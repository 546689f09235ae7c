// What the console's live side asks of the services beside its socket.

/** The answer, if the call is one of those. */
export function answerLive(team, call, request) {
  if (call === "GET /statistics") return team.shares && { presses: 96, taken: 93, waits: team.shares };
  if (call === "GET /canary") return team.canary;
  if (call === "GET /agency/organizers") return team.present;
  if (call === "POST /agency/chats/search") {
    const { participantId: participant } = request.postDataJSON();
    return team.archive.filter(({ participantId }) => !participant || participantId === participant);
  }
  const [, chatId] = /^GET \/agency\/chats\/(\w+)\/messages$/.exec(call) ?? [];
  if (chatId) return team.messages.get(chatId);
  if (call === "POST /agency/issues") {
    const issue = { id: team.issues.length + 1, status: "to_do", ...request.postDataJSON() };
    team.issues.push(issue);
    return issue;
  }
  return undefined;
}
