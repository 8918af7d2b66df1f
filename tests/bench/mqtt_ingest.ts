/** MQTT ingest alone, at the broker's full speed and without clients, next to bare mqtt.js. */

import { Mosquitto } from "../kit/servers/mosquitto.ts";
import { TestProcess } from "../kit/servers/process.ts";
import type { Telecast } from "../kit/servers/telecast.ts";
import { Load } from "./load.ts";
import { cpuMicros } from "./noise.ts";
import type { Results } from "./results.ts";
import { startTelecast } from "./target.ts";

const COUNT = 200_000;
const DEVICES = 300;
const WARM_UP = 20_000;

/** Runs one round of each. */
export async function measureMqttIngest(results: Results, qos: 0 | 1): Promise<void> {
  const what = `MQTT, QoS ${qos}`;
  // Without a limit, the broker keeps all messages that a target has not read yet.
  await using broker = await Mosquitto.start({ maxQueuedMessages: 0 });
  await using load = await Load.open({
    transport: "ws",
    port: 1,
    broker,
    clients: 0,
    devices: DEVICES,
    each: 1,
    qos,
  });
  const add = (target: "telecast" | "bare client", rate: number, cpu: number) => {
    results.add({ target, what, unit: "messages/s", value: Math.round(rate) });
    results.add({
      target,
      what: `${what}, processor`,
      unit: "µs a message",
      value: cpu,
      lessIsBetter: true,
    });
  };
  {
    await using bare = TestProcess.start(Deno.execPath(), {
      name: "bare mqtt.js",
      args: [
        ...["run", "-A", new URL("bare_mqtt.ts", import.meta.url).pathname],
        ...[broker.url, String(qos), String(WARM_UP), String(COUNT)],
      ],
    });
    await bare.waitForOutput("subscribed", { timeoutMs: 30_000 });
    await load.blast(WARM_UP);
    await bare.waitForOutput("warm", { timeoutMs: 60_000 });
    const cpu = await cpuMicros(bare.pid);
    await load.blast(COUNT);
    const [, rate] = await bare.waitForOutput(/rate (\d+)/, { timeoutMs: 120_000 });
    add("bare client", Number(rate), (await cpuMicros(bare.pid) - cpu) / COUNT);
  }
  await using telecast = await startTelecast(broker, { MQTT_QOS: String(qos) });
  await load.blast(WARM_UP);
  await storedUpTo(telecast, WARM_UP);
  const cpu = await cpuMicros(telecast.process.pid);
  const [blast, rate] = [load.blast(COUNT), storedUpTo(telecast, WARM_UP + COUNT)];
  await blast;
  add("telecast", await rate, (await cpuMicros(telecast.process.pid) - cpu) / COUNT);
  const { stored, position } = (await telecast.json("/api/v1/stats")).fanout;
  if (position !== WARM_UP + COUNT) {
    results.faults.push(`${what}: ${position} of ${stored} messages in the log`);
  }
}

/** Waits until `count` messages are stored; returns the rate from the first new one to the last. */
export async function storedUpTo(telecast: Telecast, count: number): Promise<number> {
  const stored = async () => (await telecast.json("/api/v1/stats")).fanout.stored as number;
  const before = await stored();
  let first: { at: number; stored: number } | undefined;
  while (true) {
    const [now, at] = [await stored(), performance.now()];
    if (now > before) first ??= { at, stored: now };
    if (now >= count) return (now - first!.stored) / (at - first!.at) * 1000;
    await telecast.process.waitUntil("alive", () => true);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
