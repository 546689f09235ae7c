import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryStorage } from "../../src/memory.js";

test("a stored value is not changed through the object that was stored or read", async () => {
  const storage = new MemoryStorage();
  const value = { list: [1] };
  await storage.set("a", value);
  value.list.push(2);
  (await storage.get<typeof value>("a"))?.list.push(3);
  assert.deepEqual(await storage.get("a"), { list: [1] });
});

test("list returns the values of a prefix in the order of their keys", async () => {
  const storage = new MemoryStorage();
  await storage.set("b/2", 2);
  await storage.set("b/1", 1);
  await storage.set("c/1", 3);
  assert.deepEqual(await storage.list("b/"), [
    { key: "b/1", value: 1 },
    { key: "b/2", value: 2 },
  ]);
});

test("update deletes a value when the change returns nothing", async () => {
  const storage = new MemoryStorage();
  await storage.update<number>("n", (n) => (n ?? 0) + 1);
  assert.equal(await storage.update<number>("n", (n) => (n ?? 0) + 1), 2);
  await storage.update<number>("n", () => undefined);
  assert.equal(await storage.get("n"), undefined);
});
