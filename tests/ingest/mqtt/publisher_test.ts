import assert from "node:assert/strict";
import { Publisher } from "../../../ingest/mqtt/publisher.ts";
import { Supervisor } from "../../../ingest/runtime/supervisor.ts";
import { getLogger } from "../../../telemetry/log.ts";
import { eventually } from "../../kit/eventually.ts";

const MESSAGE = { topic: "receive", payload: "A", qos: 1 as const };

/** A publisher that uses the obedient worker, and the supervisors that it made. */
function publisher(idleMs?: number) {
  const made: Supervisor[] = [];
  const make = () => {
    const supervisor = new Supervisor({
      name: "mqtt-pub",
      kind: "mqtt",
      worker: new URL("../runtime/obedient_worker.ts", import.meta.url),
      config: { source: {}, check: { maxMessageBytes: 60_000, commandTopicPrefix: "c/" } },
      logger: getLogger("test"),
      publish: () => Promise.resolve(),
    });
    made.push(supervisor);
    return supervisor;
  };
  return { publisher: new Publisher(make, idleMs), made };
}

Deno.test("Publisher connects for the first message and disconnects when idle", async () => {
  const { publisher: publishing, made } = publisher(20);
  assert.equal(made.length, 0);
  await Promise.all([1, 2, 3].map(() => publishing.publish(MESSAGE, 5_000)));
  assert.equal(made.length, 1);
  await eventually("idle", () => made[0]!.state.state === "stopped");
  await publishing.publish(MESSAGE, 5_000);
  assert.equal(made.length, 1);
  await publishing.stop();
  assert.equal(made[0]!.state.state, "stopped");
});

Deno.test("Publisher is not idle while a message waits for its ack", async () => {
  const { publisher: publishing, made } = publisher(30);
  await publishing.publish(MESSAGE, 5_000);
  await publishing.publish({ ...MESSAGE, topic: "wait", payload: "150" }, 5_000);
  assert.equal(made[0]!.state.state, "connected");
  await publishing.stop();
});

Deno.test("Publisher publishes messages that arrive while its connection is closing", async () => {
  const { publisher: publishing, made } = publisher();
  await publishing.publish(MESSAGE, 5_000);
  const closing = made[0]!.stop();
  await publishing.publish(MESSAGE, 5_000);
  await closing;
  assert.notEqual(made[0]!.state.state, "stopped");
  await publishing.stop();
});

Deno.test("Publisher.stop() is final, even if nothing was published", async () => {
  const { publisher: publishing, made } = publisher();
  await publishing.stop();
  await assert.rejects(publishing.publish(MESSAGE, 5_000), /the program is stopped/);
  assert.equal(made.length, 0);
});
