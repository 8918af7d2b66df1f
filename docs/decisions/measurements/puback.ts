/**
 * What Mosquitto keeps for a Telecast that was killed, and how fast it hands it over afterwards.
 * deno run -A docs/decisions/measurements/puback.ts
 */

import { Mosquitto } from "../../../tests/kit/servers/mosquitto.ts";
import { MqttPublisher } from "../../../tests/kit/clients/mqtt_publisher.ts";
import { Telecast } from "../../../tests/kit/servers/telecast.ts";

const MESSAGES = 60_000;
const padding = "x".repeat(200);

async function measure(name: string, limits: { queued: number; inflight: number }) {
  await using mosquitto = await Mosquitto.start({
    maxQueuedMessages: limits.queued,
    maxInflightMessages: limits.inflight,
  });
  const env = { BROKER_HOST: mosquitto.url };
  await using telecast = await Telecast.start({ env });
  await telecast.waitForSource();
  await telecast.kill("SIGKILL");
  await using publisher = await MqttPublisher.connect(mosquitto.url);
  await publisher.publishAll(
    Array.from({ length: MESSAGES }, (_, i) => ({
      topic: "t",
      payload: JSON.stringify({ data: { DEVICE_ID: `D${i % 100}`, i, padding } }),
    })),
  );
  await telecast.start();
  const stored = async () => (await telecast.json("/api/v1/stats")).fanout.stored;
  let count = 0;
  let first = 0;
  let last = performance.now();
  while (performance.now() - last < 3_000 || count === 0) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    const now = await stored();
    if (now > 0 && count === 0) first = performance.now();
    if (now !== count) last = performance.now();
    count = now;
  }
  const seconds = (last - first) / 1000;
  await Deno.stdout.write(new TextEncoder().encode(
    `${name}: ${count} of ${MESSAGES} arrived, in about ${seconds.toFixed(1)} s\n`,
  ));
}

await measure("max_queued_messages 1000, max_inflight_messages 20", { queued: 1000, inflight: 20 });
await measure("max_queued_messages 100000, max_inflight_messages 20", {
  queued: 100_000,
  inflight: 20,
});
await measure("max_queued_messages 100000, max_inflight_messages 1000", {
  queued: 100_000,
  inflight: 1000,
});
