import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError, Http } from "../../src/http.js";
import { FakeClock, FakeService, settle } from "../fakes.js";

function setUp(answer: FakeService["answer"]) {
  const clock = new FakeClock();
  const service = new FakeService(answer);
  const http = new Http({ baseUrl: "http://test/participant", fetch: service.fetch, clock, random: () => 1 });
  return { clock, service, http };
}

test("a call that can be repeated is repeated with back-off until it succeeds", async () => {
  let failures = 2;
  const { clock, service, http } = setUp(() => (failures-- > 0 ? { status: 503 } : { body: [1] }));
  const answer = http.get("/events");
  await clock.advance(499);
  assert.equal(service.calls.length, 1);
  await clock.advance(1);
  assert.equal(service.calls.length, 2);
  await clock.advance(1000);
  assert.deepEqual(await answer, [1]);
});

test("a call that can do harm when repeated is made once", async () => {
  const { clock, service, http } = setUp(() => "no network");
  const answer = assert.rejects(http.call("POST", "/auth/sign-up", { body: {} }), { status: 0, temporary: true });
  await clock.advance(60_000);
  await answer;
  assert.equal(service.calls.length, 1);
});

test("Retry-After is waited for, and left to the caller when it is long", async () => {
  let seconds = "3";
  const { clock, service, http } = setUp(() => ({ status: 429, headers: { "Retry-After": seconds } }));
  const answer = assert.rejects(http.get("/events"), { status: 429, retryAfterSeconds: 900 });
  await clock.advance(2999);
  assert.equal(service.calls.length, 1);
  seconds = "900";
  await clock.advance(1);
  await answer;
  assert.equal(service.calls.length, 2);
});

test("a call without an answer ends after its time", async () => {
  const { clock, http } = setUp(() => "no answer");
  const answer = assert.rejects(http.call("POST", "/chat-requests"), (error) => {
    assert(error instanceof ApiError);
    assert.equal(error.status, 0);
    assert.match(error.message, /in time/);
    return true;
  });
  await clock.advance(15_000);
  await answer;
});

test("the caller's signal ends the call with the caller's reason", async () => {
  const { http } = setUp(() => "no answer");
  const controller = new AbortController();
  const reason = new Error("left the page");
  const answer = assert.rejects(http.get("/events", { signal: controller.signal }), reason);
  await settle();
  controller.abort(reason);
  await answer;
});

test("every error shape of the services becomes messages", async () => {
  const shapes: [unknown, string[]][] = [
    [{ statusCode: 400, message: ["a is wrong", "b is wrong"], error: "Bad Request" }, ["a is wrong", "b is wrong"]],
    [{ statusCode: 404, message: "event with id 9 not found" }, ["event with id 9 not found"]],
    ["404 page not found", ["HTTP 400"]],
  ];
  for (const [body, messages] of shapes) {
    const { http } = setUp(() => ({ status: 400, body }));
    await assert.rejects(http.call("POST", "/x"), { status: 400, messages });
  }
});

test("an answer that is not the service's is no answer", async () => {
  const { http } = setUp(() => ({ body: "<html>Sign in to the Wi-Fi</html>" }));
  await assert.rejects(http.call("POST", "/chat-requests"), { status: 0, temporary: true });
});

test("a refused token is renewed once, and the call is made again with the new one", async () => {
  const service = new FakeService(({ token }) =>
    token === "new" ? { body: {} } : { status: 401, body: { message: "invalid token" } },
  );
  const renewals: unknown[] = [];
  const credentials = {
    token: () => "old",
    renew: async (refused: string | undefined) => {
      renewals.push(refused);
      return "new";
    },
  };
  const http = new Http({ baseUrl: "http://test", fetch: service.fetch, credentials });
  await http.get("/profile");
  assert.deepEqual(renewals, ["old"]);
  assert.deepEqual(
    service.calls.map(({ token }) => token),
    ["old", "new"],
  );
});

test("a wrong password is no reason to renew the token", async () => {
  const service = new FakeService(() => ({ status: 401, body: { message: "invalid password" } }));
  const credentials = { token: () => "t", renew: async () => assert.fail("renewed") };
  const http = new Http({ baseUrl: "http://test", fetch: service.fetch, credentials });
  await assert.rejects(http.call("PATCH", "/profile/change-password"), { status: 401 });
});

test("a query leaves out what is absent and encodes the rest", async () => {
  const { service, http } = setUp(() => ({ body: [] }));
  await http.get("/events", { query: { query: "a b&c", from: undefined, to: "" } });
  assert.equal(service.calls[0]?.path, "/participant/events?query=a%20b%26c");
});
