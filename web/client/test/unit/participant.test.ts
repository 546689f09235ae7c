import assert from "node:assert/strict";
import { test } from "node:test";
import { ParticipantApi } from "../../src/participant-api.js";
import { FakeService } from "../fakes.js";

const message = (seq: number) => ({ seq });
const link = (cursor: string) => ({ headers: { Link: `<?cursor=${cursor}>; rel="next"` } });

test("the parts of an export are put together, and so are chats that go on in the next part", async () => {
  const profile = { id: 7 };
  const parts = [
    { body: { exportedAt: "t1", profile, presses: [{ requestId: "a" }], chats: [] }, ...link("presses.a") },
    {
      body: { exportedAt: "t2", presses: [{ requestId: "b" }], chats: [{ id: "c1", messages: [message(1)] }] },
      ...link("chats.1.1"),
    },
    {
      body: {
        exportedAt: "t3",
        chats: [
          { id: "c1", messages: [message(2)] },
          { id: "c2", messages: [] },
        ],
      },
    },
  ];
  const service = new FakeService(() => parts.shift() ?? {});
  const api = new ParticipantApi({ baseUrl: "http://test/participant", fetch: service.fetch });
  const whole: unknown = await api.exportProfile();
  assert.deepEqual(whole, {
    exportedAt: "t3",
    profile,
    presses: [{ requestId: "a" }, { requestId: "b" }],
    chats: [
      { id: "c1", messages: [message(1), message(2)] },
      { id: "c2", messages: [] },
    ],
  });
  assert.deepEqual(
    service.calls.map(({ path }) => path),
    [
      "/participant/profile/export",
      "/participant/profile/export?cursor=presses.a",
      "/participant/profile/export?cursor=chats.1.1",
    ],
  );
});
