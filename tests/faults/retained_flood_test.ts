/** A broker that has thousands of large retained messages when the program subscribes. */

import assert from "node:assert/strict";
import { eventually } from "../kit/eventually.ts";
import { MemoryWatch } from "../kit/memory.ts";
import { Mosquitto } from "../kit/servers/mosquitto.ts";
import { MqttPublisher } from "../kit/clients/mqtt_publisher.ts";
import { trackingPayload } from "../kit/payload.ts";
import { say } from "../kit/say.ts";
import { Telecast } from "../kit/servers/telecast.ts";
import { WsClient } from "../kit/clients/ws_client.ts";

const DEVICES = 5_000;
const CHARS = 50_000;
const BATCH = 250;
/** All are kept once as last messages: 250 MB. */
const MAX_GROWTH_MB = 900;
const MAX_PING_MS = 2_000;

Deno.test(`${DEVICES} retained messages of 50 KB are all stored, and clients are answered meanwhile`, async () => {
  await using broker = await Mosquitto.start();
  {
    await using publisher = await MqttPublisher.connect(broker.url);
    for (let first = 0; first < DEVICES; first += BATCH) {
      const batch = Array.from({ length: BATCH }, (_, i) => ({
        topic: `fleet/${first + i}`,
        payload: trackingPayload(`D${first + i}`, 1, { chars: CHARS }),
      }));
      await publisher.publishAll(batch, { retain: true });
    }
  }
  await using telecast = await Telecast.start({ env: { BROKER_HOST: broker.url } });
  await using memory = await MemoryWatch.start(telecast.process);
  await using client = await WsClient.open(telecast.wsUrl("device_ids=none"));
  let slowestMs = 0;
  const { fanout, sources } = await eventually("all are stored", async () => {
    const from = performance.now();
    const pings = client.frames.items.length;
    client.send({ action: "ping" });
    await client.frames.waitFor(() => client.frames.items.length > pings);
    slowestMs = Math.max(slowestMs, performance.now() - from);
    const stats = await telecast.json("/api/v1/stats");
    return stats.fanout.stored >= DEVICES && stats;
  }, { timeoutMs: 120_000, intervalMs: 5 });
  assert.equal(fanout.stored, DEVICES);
  assert.deepEqual([sources[0].state, sources[0].reconnects], ["connected", 0]);
  const grownMb = Math.round(memory.growthBytes / 1e6);
  say(`memory grew by ${grownMb} MB, the slowest answer took ${slowestMs.toFixed(0)} ms`);
  assert.ok(grownMb < MAX_GROWTH_MB, `memory grew by ${grownMb} MB`);
  assert.ok(slowestMs < MAX_PING_MS, `${slowestMs} ms`);

  // With MQTT 5 a resumed session does not get them again.
  await telecast.restart();
  await telecast.waitForSource();
  await using publisher = await MqttPublisher.connect(broker.url);
  await publisher.publish("fleet/0", trackingPayload("D0", 2));
  await eventually("the next one", async () => {
    const { message } = await telecast.json("/api/v1/devices/D0");
    return message.data.SEQ === 2;
  });
  const received = await eventually("it is counted", async () => {
    return (await telecast.json("/api/v1/stats")).sources[0].received;
  });
  assert.equal(received, 1);
});
