import assert from "node:assert/strict";
import { test } from "node:test";
import { IDBFactory, IDBObjectStore } from "fake-indexeddb";
import { openIndexedDb } from "../../src/indexeddb.js";

test("values survive in the database, and are listed by prefix in the order of their keys", async () => {
  const factory = new IDBFactory();
  const before = await openIndexedDb("test", factory);
  await before.set("b/2", { n: 2 });
  await before.set("b/1", { n: 1 });
  await before.set("c/1", { n: 3 });
  await before.delete("c/1");
  const after = await openIndexedDb("test", factory);
  assert.equal(after.persistent, true);
  assert.deepEqual(await after.get("b/2"), { n: 2 });
  assert.deepEqual(await after.list(""), [
    { key: "b/1", value: { n: 1 } },
    { key: "b/2", value: { n: 2 } },
  ]);
});

test("no other tab comes between the two halves of an update", async () => {
  const factory = new IDBFactory();
  const tabs = [await openIndexedDb("test", factory), await openIndexedDb("test", factory)];
  const updates = Array.from({ length: 20 }, (_, index) =>
    tabs[index % 2]?.update<number>("count", (count) => (count ?? 0) + 1),
  );
  await Promise.all(updates);
  assert.equal(await tabs[0]?.get("count"), 20);
});

test("where the database is forbidden, values are kept in memory and that is said", async () => {
  const factory = new IDBFactory();
  factory.open = () => {
    throw new DOMException("forbidden", "SecurityError");
  };
  const storage = await openIndexedDb("test", factory);
  assert.equal(storage.persistent, false);
  await storage.set("a", 1);
  assert.equal(await storage.update<number>("a", (value) => (value ?? 0) + 1), 2);
  assert.deepEqual(await storage.list("a"), [{ key: "a", value: 2 }]);
  await storage.delete("a");
  assert.equal(await storage.get("a"), undefined);
});

test("when the database fails later, nothing is lost while the page is open", async () => {
  const factory = new IDBFactory();
  const storage = await openIndexedDb("test", factory);
  await storage.set("old", 1);
  // Another tab deletes the database, and this one has to let go of it.
  await new Promise((resolve) => {
    factory.deleteDatabase("test").onsuccess = resolve;
  });
  await storage.set("new", 2);
  assert.equal(storage.persistent, false);
  assert.equal(await storage.get("new"), 2);
});

test("when storage is full, values are kept in memory and that is said", async (t) => {
  const storage = await openIndexedDb("test", new IDBFactory());
  await storage.set("old", 1);
  t.mock.method(IDBObjectStore.prototype, "put", () => {
    throw new DOMException("full", "QuotaExceededError");
  });
  await storage.set("old", 2);
  await storage.set("new", 3);
  assert.equal(storage.persistent, false);
  assert.equal(await storage.get("old"), 2);
  assert.deepEqual(await storage.list("new"), [{ key: "new", value: 3 }]);
});
