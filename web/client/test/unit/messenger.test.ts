import assert from "node:assert/strict";
import { test } from "node:test";
import { MessengerApi } from "../../src/messenger-api.js";
import { chat, type FakeAnswer, FakeService } from "../fakes.js";

function setUp(answer: FakeAnswer) {
  const service = new FakeService(() => answer);
  return { service, messenger: new MessengerApi({ baseUrl: "http://test/messenger", fetch: service.fetch }) };
}

test("a page of the archive is asked for by its filter in the body, and leads to the next", async () => {
  const link = '<?limit=2&cursor=0a1b2c3d4e5f60718293a4b5>; rel="next"';
  const { service, messenger } = setUp({ body: [chat("c1"), chat("c2")], headers: { Link: link } });
  const page = await messenger.chats({ eventId: 9, q: "gate 4&", from: "", limit: 2 });
  assert.deepEqual(
    page.items.map(({ id }) => id),
    ["c1", "c2"],
  );
  assert.equal(page.next, "0a1b2c3d4e5f60718293a4b5");
  await messenger.chats({ eventId: 9, cursor: page.next });
  assert.deepEqual(
    service.calls.map(({ method, path, body }) => [method, path, body]),
    [
      ["POST", "/messenger/agency/chats/search?limit=2", { eventId: 9, q: "gate 4&", from: "" }],
      ["POST", "/messenger/agency/chats/search?limit=100&cursor=0a1b2c3d4e5f60718293a4b5", { eventId: 9 }],
    ],
  );
});

test("the last page leads nowhere", async () => {
  const { messenger } = setUp({ body: [] });
  assert.deepEqual(await messenger.chats({}), { items: [], next: undefined });
});

test("who is present comes as the service says it", async () => {
  const present = [{ organizerId: 7, activeChats: 3, waiting: true }];
  const { service, messenger } = setUp({ body: present });
  assert.deepEqual(await messenger.organizers(), present);
  assert.equal(service.calls[0]?.path, "/messenger/agency/organizers");
});

test("figures are asked for by event and period", async () => {
  const { service, messenger } = setUp({ body: { presses: 0 } });
  await messenger.statistics();
  await messenger.statistics({ eventId: 9, from: "2026-05-01T10:00:00+02:00" });
  assert.deepEqual(
    service.calls.map(({ path }) => path),
    ["/messenger/statistics", "/messenger/statistics?eventId=9&from=2026-05-01T10%3A00%3A00%2B02%3A00"],
  );
});
