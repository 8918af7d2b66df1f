/** Thousands of clients reconnect within one second, as after the loss of an instance. */

import assert from "node:assert/strict";
import { Checker } from "../kit/checker.ts";
import { eventually, within } from "../kit/eventually.ts";
import { Mosquitto } from "../kit/servers/mosquitto.ts";
import { MqttPublisher } from "../kit/clients/mqtt_publisher.ts";
import { deviceAndSeq, trackingPayload } from "../kit/payload.ts";
import { parseWsFrame } from "../kit/received.ts";
import { say } from "../kit/say.ts";
import { Telecast } from "../kit/servers/telecast.ts";
import { WsClient } from "../kit/clients/ws_client.ts";
import type { CrowdResult } from "./resume_crowd.ts";

const CLIENTS = 5_000;
const DEVICES = 500;
const MISSED = 20;
const LIVE_CLIENTS = 20;
const PER_SECOND = 500;
const TIMEOUT_MS = 180_000;

Deno.test(`${CLIENTS} clients resume at once: each gets what it missed, and live clients miss nothing`, async () => {
  await using stack = new AsyncDisposableStack();
  const broker = stack.use(await Mosquitto.start());
  const telecast = stack.use(await Telecast.start({ env: { BROKER_HOST: broker.url } }));
  await telecast.waitForSource();
  const publisher = stack.use(await MqttPublisher.connect(broker.url));

  const crowd = new Worker(new URL("./resume_crowd.ts", import.meta.url), { type: "module" });
  stack.defer(() => crowd.terminate());
  const answer = <T>() =>
    new Promise<T>((resolve, reject) => {
      crowd.onmessage = ({ data }) => resolve(data);
      crowd.onerror = (event) => reject(new Error(event.message));
    });
  const connected = answer();
  crowd.postMessage({ port: telecast.port, clients: CLIENTS, devices: DEVICES });
  await within("the crowd connects", connected, TIMEOUT_MS);

  await using first = await WsClient.open(telecast.wsUrl("device_ids=none"));
  first.send({ action: "ping" });
  const { id: cursor } = await first.waitForEvent("ping");
  await publisher.publishAll(
    Array.from({ length: DEVICES * MISSED }, (_, i) => ({
      topic: "fleet",
      payload: trackingPayload(`d${i % DEVICES}`, 1 + Math.floor(i / DEVICES)),
    })),
  );
  await eventually("all messages are processed", async () => {
    const { total_messages_processed } = await telecast.json("/api/v1/stream/stats");
    return total_messages_processed === DEVICES * MISSED;
  }, { timeoutMs: TIMEOUT_MS });

  const checker = new Checker();
  const sentAt = new Map<number, number>();
  let latencies: number[] = [];
  for (let i = 0; i < LIVE_CLIENTS; i++) {
    const checked = checker.client(`live ${i}`, { devices: ["live"] });
    stack.use(
      await WsClient.open(telecast.wsUrl("device_ids=live"), {
        onFrame: (text) => {
          const { event, data, at } = parseWsFrame(text);
          if (event !== "message") return;
          const { deviceId, seq } = deviceAndSeq(data);
          checked.saw(deviceId, seq);
          latencies.push(at - sentAt.get(seq)!);
        },
      }),
    );
  }
  const stop = new AbortController();
  const publishing = publisher.publishAtRate(() => {
    const seq = checker.next("live");
    sentAt.set(seq, performance.now());
    return { topic: "live", payload: trackingPayload("live", seq) };
  }, { perSecond: PER_SECOND, signal: stop.signal });
  const flow = (count: number) =>
    eventually("live messages", () => latencies.length >= count, { timeoutMs: TIMEOUT_MS });
  await flow(LIVE_CLIENTS * PER_SECOND);
  const quiet = latencies;
  latencies = [];
  const before = (await telecast.json("/api/v1/stats")).memory.rss;

  const resumed = answer<CrowdResult>();
  crowd.postMessage({ cursor });
  const result = await within("the crowd resumes", resumed, TIMEOUT_MS);
  // After this the crowd disconnects, which keeps this process busy for a while.
  const meanwhile = [...latencies];
  await flow(latencies.length + LIVE_CLIENTS);
  const after = (await telecast.json("/api/v1/stats")).memory.rss;
  stop.abort();
  await publishing;
  await eventually("all live messages", () => checker.complete(), { timeoutMs: TIMEOUT_MS });

  say(
    `${CLIENTS} resumed within ${Math.round(result.lastMs)} ms; live latency p50/p99 ` +
      `${percentiles(quiet)} ms before, ${percentiles(meanwhile)} ms meanwhile; ` +
      `memory ${Math.round(before / 1e6)} to ${Math.round(after / 1e6)} MB`,
  );
  assert.deepEqual(result.resumed, { [`{"status":"full","replayed":${MISSED}}`]: CLIENTS });
  checker.assertFlawless();
});

function percentiles(latencies: number[]): string {
  const sorted = latencies.toSorted((a, b) => a - b);
  return [0.5, 0.99].map((p) => sorted[Math.floor(sorted.length * p)]?.toFixed(1)).join("/");
}
