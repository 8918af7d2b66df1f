import assert from "node:assert/strict";
import type { Admin } from "kafkajs";
import { Partitions } from "../../../ingest/kafka/partition.ts";
import { Topics } from "../../../ingest/kafka/topics.ts";
import { FakeIntake } from "./fake_intake.ts";

/** Answers with the leaders of each topic's partitions, or with Kafka's name for an error. */
function adminOf(topics: Record<string, number[] | string>): Admin {
  return {
    fetchTopicMetadata: ({ topics: [name] }: { topics: string[] }) => {
      const leaders = topics[name!]!;
      if (typeof leaders === "string") throw Object.assign(new Error("refused"), { type: leaders });
      const partitions = leaders.map((leader, partitionId) => ({ partitionId, leader }));
      return Promise.resolve({ topics: [{ name, partitions }] });
    },
  } as unknown as Admin;
}

Deno.test("Topics.find() separates readable topics from others, and logs why once", async () => {
  const intake = new FakeIntake();
  const topics = new Topics(["a", "b", "c"], new Partitions("g", true), intake);
  const admin = adminOf({
    a: [1, 1],
    b: "UNKNOWN_TOPIC_OR_PARTITION",
    c: "TOPIC_AUTHORIZATION_FAILED",
  });
  for (let round = 0; round < 2; round++) {
    assert.deepEqual(await topics.find(admin), { readable: ["a"], missing: ["b", "c"] });
  }
  assert.equal(intake.lines.length, 2);
  assert.match(intake.lines[0]!, /topic b does not exist at the broker/);
  assert.match(intake.lines[1]!, /topic c may not be read by this user/);
  await topics.find(adminOf({ a: [1, 1], b: [1], c: [1] }));
  assert.deepEqual(intake.lines.slice(2), [
    "info: topic b can be read now",
    "info: topic c can be read now",
  ]);
});

Deno.test("Topics.find() rejects if the broker cannot answer", async () => {
  const topics = new Topics(["a"], new Partitions("g", true), new FakeIntake());
  await assert.rejects(topics.find(adminOf({ a: "LEADER_NOT_AVAILABLE" })));
});

Deno.test("Topics.find() logs which partitions changed their leader", async () => {
  const intake = new FakeIntake();
  const topics = new Topics(["a"], new Partitions("g", true), intake);
  await topics.find(adminOf({ a: [1, 2, 3] }));
  await topics.find(adminOf({ a: [1, 3, 3] }));
  assert.deepEqual(intake.lines, ["info: partitions have new leaders: a/1 2 to 3"]);
});
