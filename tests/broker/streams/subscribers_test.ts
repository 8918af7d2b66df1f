import assert from "node:assert/strict";
import { Interest } from "../../../broker/messages/interest.ts";
import { Subscribers } from "../../../broker/streams/subscribers.ts";

const wants = (...lists: string[]) => Interest.parse(lists, 1000);

function found(subscribers: Subscribers<string>, deviceId: string): string[] {
  const names: string[] = [];
  subscribers.each(deviceId, (name) => names.push(name));
  return names.toSorted();
}

Deno.test("Subscribers.each() finds each subscriber of a device once, by id, prefix or everything", () => {
  const subscribers = new Subscribers<string>();
  subscribers.add("id", wants("A1,B"));
  subscribers.add("prefix", wants("A*"));
  subscribers.add("both", wants("A1,A*,A1*"));
  subscribers.add("all", wants("*,A1,A*"));
  subscribers.add("other", wants("C,A2"));
  assert.deepEqual(found(subscribers, "A1"), ["all", "both", "id", "prefix"]);
  assert.deepEqual(found(subscribers, "A"), ["all", "both", "prefix"]);
  assert.deepEqual(found(subscribers, "A2"), ["all", "both", "other", "prefix"]);
  assert.deepEqual(found(subscribers, "B"), ["all", "id"]);
  assert.deepEqual(found(subscribers, "unknown"), ["all"]);
});

Deno.test("Subscribers.remove() removes what add() added, and nothing of others", () => {
  const subscribers = new Subscribers<string>();
  const interest = wants("A,B*,B1,Cc*");
  subscribers.add("one", interest);
  subscribers.add("two", interest);
  subscribers.add("all", wants("*"));
  subscribers.remove("one", interest);
  subscribers.remove("one", interest);
  for (const id of ["A", "B2", "Ccc"]) assert.deepEqual(found(subscribers, id), ["all", "two"]);
  subscribers.remove("all", wants("*"));
  subscribers.remove("two", interest);
  for (const id of ["A", "B2", "Ccc"]) assert.deepEqual(found(subscribers, id), []);
  assert.deepEqual([subscribers.named, subscribers.wantsOthers], [0, false]);
});

Deno.test("Subscribers.wantsUnnamed() is true for devices that match, and that nobody named", () => {
  const subscribers = new Subscribers<string>();
  const unnamed = () => ["A", "A1", "A2", "B"].filter((id) => subscribers.wantsUnnamed(id)).join();
  subscribers.add("ids", wants("A,unknown"));
  subscribers.add("again", wants("A"));
  assert.deepEqual([subscribers.named, subscribers.wantsOthers, unnamed()], [2, false, ""]);
  subscribers.add("prefix", wants("A*,A2*"));
  assert.deepEqual([subscribers.named, subscribers.wantsOthers, unnamed()], [2, true, "A1,A2"]);
  subscribers.add("all", wants("*"));
  assert.equal(unnamed(), "A1,A2,B");
  const { changes } = subscribers;
  subscribers.remove("again", wants("A"));
  assert.equal(subscribers.named, 2);
  subscribers.remove("ids", wants("A,unknown"));
  assert.deepEqual([subscribers.named, unnamed()], [0, "A,A1,A2,B"]);
  assert.ok(subscribers.changes > changes);
});

Deno.test("Subscribers agrees with Interest.matches() after any changes", () => {
  let state = 4711;
  const below = (limit: number) => (state = (state * 48_271) % 2_147_483_647) % limit;
  const id = () => "ab".repeat(3).slice(below(3), 2 + below(5)) + below(3);
  const item = () => below(20) === 0 ? "*" : id().slice(0, 1 + below(6)) + (below(3) ? "" : "*");
  const subscribers = new Subscribers<string>();
  const interests = new Map<string, Interest>();
  for (let i = 0; i < 2000; i++) {
    const name = `s${below(12)}`;
    const old = interests.get(name);
    if (old) {
      subscribers.remove(name, old);
      interests.delete(name);
    } else {
      const interest = wants(...Array.from({ length: 1 + below(6) }, item));
      subscribers.add(name, interest);
      interests.set(name, interest);
    }
    const device = id();
    const expected = [...interests].filter(([, interest]) => interest.matches(device));
    assert.deepEqual(found(subscribers, device), expected.map(([name]) => name).toSorted());
  }
});
