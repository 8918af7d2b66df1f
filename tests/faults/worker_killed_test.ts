/** A source's worker terminates silently under load. */

import assert from "node:assert/strict";
import { Checker } from "../kit/checker.ts";
import { eventually } from "../kit/eventually.ts";
import { Fleet, pause } from "../kit/fleet.ts";
import { Kafka } from "../kit/servers/kafka.ts";
import { Mosquitto } from "../kit/servers/mosquitto.ts";
import { trackingPayload } from "../kit/payload.ts";
import { ResumingClient } from "../kit/clients/resuming_client.ts";
import { say } from "../kit/say.ts";
import { Telecast } from "../kit/servers/telecast.ts";

const PROBE = new URL("../kit/probe.ts", import.meta.url).pathname;
const KILLS = 2;
const RECOVERY_MS = 60_000;
const flags = [`--preload=${PROBE}`];

Deno.test("the MQTT worker is killed under load: another takes over, and each message arrives once, in order", async () => {
  await using broker = await Mosquitto.start();
  await using telecast = await Telecast.start({
    flags,
    env: { BROKER_HOST: broker.url, LOG_FORMAT: "text" },
  });
  await telecast.waitForSource();
  await using fleet = await Fleet.under(broker, telecast, { size: 40, perSecond: 300 });
  for (let kill = 1; kill <= KILLS; kill++) {
    await pause(1_000);
    const killed = performance.now();
    await endWorker(telecast, kill);
    await fleet.untilFlow(RECOVERY_MS);
    say(`MQTT worker killed: messages flow after ${Math.round(performance.now() - killed)} ms`);
  }
  await fleet.halt();
  await fleet.assertFlawless({ timeoutMs: RECOVERY_MS });
  say(fleet.summary());
  assert.equal(Object.keys(fleet.resumed).length, 0, "a stream was closed");
});

Deno.test("the Kafka worker is killed under load: another takes over, and each message arrives once, in order", async () => {
  const topic = "tracking.data";
  await using kafka = await Kafka.start();
  await kafka.produce(topic, [{ key: "before", value: trackingPayload("before", 1) }]);
  await using telecast = await Telecast.start({
    flags,
    env: {
      KAFKA_BOOTSTRAP_SERVERS: kafka.bootstrap,
      KAFKA_TOPIC: topic,
      KAFKA_AUTO_OFFSET_RESET: "earliest",
      LOG_FORMAT: "text",
    },
  });
  await telecast.waitForSource("kafka", { timeoutMs: 30_000 });
  const checker = new Checker();
  const deviceIds = Array.from({ length: 10 }, (_, i) => `truck-${i}`);
  await using client = await ResumingClient.start({
    transport: "sse",
    url: telecast.sseUrl(),
    deviceIds,
    checked: checker.client("sse", { devices: deviceIds }),
  });
  const produce = (rounds: number) =>
    kafka.produce(
      topic,
      Array.from({ length: rounds }, () => deviceIds).flat().map((key) => ({
        key,
        value: trackingPayload(key, checker.next(key)),
      })),
    );
  await produce(50);
  await eventually("the first records", () => checker.complete(), { timeoutMs: RECOVERY_MS });
  for (let kill = 1; kill <= KILLS; kill++) {
    const killed = performance.now();
    const producing = produce(100);
    await endWorker(telecast, kill);
    await producing;
    await produce(50);
    await eventually("all records", () => checker.complete(), { timeoutMs: RECOVERY_MS });
    say(`Kafka worker killed: complete after ${Math.round(performance.now() - killed)} ms`);
  }
  checker.assertFlawless();
  const { published, seen } = checker.report();
  say(`${published} produced, ${seen} seen; lost 0, repeated 0, reordered 0`);
  assert.equal(client.connects, 1, "the stream was closed");
});

/** Kills the newest worker; resolves when the program has restarted it. */
async function endWorker(telecast: Telecast, kill: number): Promise<void> {
  telecast.process.kill("SIGUSR2");
  await eventually("a new worker", () => {
    return telecast.output.match(/the worker starts again/g)?.length === kill;
  }, { timeoutMs: RECOVERY_MS });
}
