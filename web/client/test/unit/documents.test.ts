import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answer, wrongAnswer, wrongClose, wrongFrame } from "../documents.js";

const ERROR = { statusCode: 401, message: "invalid token", error: "Unauthorized" };

function answered(method: string, path: string, status: number, body: unknown, more: Partial<Answer> = {}) {
  const headers = { "content-type": "application/json" };
  const text = body === undefined ? "" : JSON.stringify(body);
  return wrongAnswer({ method, url: `http://127.0.0.1:3000${path}`, status, headers, body: text, ...more });
}

test("an answer that is documented passes, and so does what no document is about", () => {
  assert.equal(answered("GET", "/participant/profile?x=1", 401, ERROR), undefined);
  assert.equal(answered("GET", "/messenger/agency/chats/0a1b2c3d4e5f60718293a4b5", 401, ERROR), undefined);
  assert.equal(answered("GET", "/organizer/agency/users/roles", 200, [{ key: 4, value: "Agency support" }]), undefined);
  assert.equal(answered("HEAD", "/organizer/agency/users/roles", 200, undefined), undefined);
  assert.equal(answered("POST", "/participant/auth/sign-out", 200, undefined), undefined);
  assert.equal(answered("GET", "/participant/users?ids=31", 200, {}), undefined);
  assert.equal(answered("GET", "/help/3", 418, 1), undefined);
});

test("any request may be refused for its body", () => {
  const tooSlow = { statusCode: 408, message: "the request took too long to arrive", error: "Request Timeout" };
  const tooLarge = { statusCode: 413, message: "request entity too large", error: "Payload Too Large" };
  for (const service of ["organizer", "participant"]) {
    assert.equal(answered("POST", `/${service}/auth/sign-out`, 408, tooSlow), undefined);
    assert.equal(answered("POST", `/${service}/auth/sign-out`, 413, tooLarge), undefined);
  }
  assert.match(answered("GET", "/messenger/canary", 405, undefined) ?? "", /no such status/);
});

test("any request may be answered by an empty 500", () => {
  for (const service of ["organizer", "participant"]) {
    assert.equal(answered("POST", `/${service}/auth/sign-out`, 500, undefined, { headers: {} }), undefined);
  }
});

test("an undocumented status, path, body or header is told with its request", () => {
  assert.match(
    answered("GET", "/participant/profile", 402, ERROR) ?? "",
    /^GET \/participant\/profile is answered 402, and not as components\/participant\/openapi.json says: no such status/,
  );
  assert.match(answered("GET", "/participant/nowhere", 200, []) ?? "", /no such status/);
  assert.match(answered("GET", "/participant/profile", 401, { message: "no" }) ?? "", /statusCode/);
  assert.match(answered("GET", "/participant/profile", 401, { ...ERROR, hint: "x" }) ?? "", /hint/);
  assert.match(answered("GET", "/participant/profile", 401, { ...ERROR, statusCode: 400 }) ?? "", /at "\/statusCode"/);
  assert.match(answered("GET", "/participant/profile", 401, undefined) ?? "", /no body/);
  assert.match(answered("GET", "/participant/profile", 401, ERROR, { body: "{" }) ?? "", /the body: SyntaxError/);
  assert.match(answered("GET", "/participant/profile", 401, ERROR, { headers: {} }) ?? "", /media type none/);
  const unavailable = { statusCode: 503, message: "api error", error: "Service Unavailable" };
  assert.match(answered("GET", "/participant/events", 503, unavailable) ?? "", /lacks the header retry-after/);
  const headers = { "content-type": "application/json", "retry-after": "3" };
  assert.match(answered("GET", "/participant/profile", 401, ERROR, { headers }) ?? "", /no header retry-after/);
});

test("a frame belongs to its protocol and side", () => {
  const resync = { type: "resync", payload: {} };
  assert.equal(wrongFrame("server", "protocol2", resync), undefined);
  assert.equal(wrongFrame("client", "contract", { Authorization: "Bearer participant:x" } as object), undefined);
  assert.match(wrongFrame("server", "contract", resync) ?? "", /there is no such frame/);
  assert.match(wrongFrame("client", "protocol2", resync) ?? "", /there is no such frame/);
  assert.match(wrongFrame("server", "protocol2", { ...resync, payload: { why: "x" } } as object) ?? "", /why/);
});

test("a close code belongs to its protocol", () => {
  assert.equal(wrongClose("protocol2", 4500), undefined);
  assert.match(wrongClose("contract", 4500) ?? "", /no close code 4500 in contract/);
  assert.equal(wrongClose("contract", 1012), undefined);
  assert.match(wrongClose("protocol2", 4321) ?? "", /no close code 4321/);
});
