/** Clients that come and go. */

import assert from "node:assert/strict";
import { eventually } from "../kit/eventually.ts";
import { trackingPayload } from "../kit/payload.ts";
import { SlowClient } from "../kit/clients/slow_client.ts";
import { SseClient } from "../kit/clients/sse_client.ts";
import { System } from "../kit/system.ts";
import { WsClient } from "../kit/clients/ws_client.ts";

/** Per transport. */
const CLIENTS = 1_000;
const DEVICES = 100;
const MESSAGES_PER_SECOND = 200;
const STAY_MS = 20_000;
const WARM_UP_MS = 20_000;
const CHURN_MS = 60_000;
const BAD_LINE = /unhandled|uncaught|"level":"(error|fatal)"/i;
/** On a machine this busy a write may take seconds: the program waits and logs it. */
const SLOW_DISK = /the store did not answer/;
const MORE_CROWDS = 4;
const MAX_LONGER_MS = 120_000;
const MAX_GROWTH_BYTES = 50 * 1024 * 1024;

Deno.test(`${CLIENTS} WebSocket and ${CLIENTS} SSE clients come and go for a minute and leak nothing`, async () => {
  // A short retention keeps the log from adding to the memory.
  await using system = await System.start({ env: { RETENTION_SECONDS: "5" } });
  const { telecast, publisher } = system;
  // Memory is compared at rest, after a first crowd has caused the one-time growth.
  await crowd(system, WARM_UP_MS);
  const before = await memoryAtRest(system);
  const { opened, messages } = await crowd(system, CHURN_MS);
  let after = await memoryAtRest(system);
  // V8 may collect its old space late; a leak is still there after more crowds.
  for (let more = 0; more < MORE_CROWDS && after - before >= MAX_GROWTH_BYTES; more++) {
    await crowd(system, WARM_UP_MS);
    after = Math.min(after, await memoryAtRest(system));
  }

  assert.ok(opened > 3 * CLIENTS, `only ${opened} clients came`);
  assert.ok(messages > 0);
  assert.ok(after - before < MAX_GROWTH_BYTES, `grew by ${after - before} bytes`);
  const bad = telecast.output.split("\n").filter((line) => BAD_LINE.test(line));
  assert.deepEqual(bad.filter((line) => !SLOW_DISK.test(line)), []);
  await using late = await WsClient.open(telecast.wsUrl("device_ids=late"));
  await publisher.publish("fleet", trackingPayload("late", 1));
  await late.waitForMessages(1);
});

/** 2,000 clients that each stay for up to 20 s and reconnect, for `durationMs`; then all leave. */
async function crowd({ telecast, publisher }: System, durationMs: number) {
  const stop = new AbortController();
  const sleep = (ms: number) => sleepUntil(stop.signal, ms);
  const counts = { opened: 0, messages: 0 };
  const failures: unknown[] = [];
  const visit = async (transport: "ws" | "sse") => {
    while (!stop.signal.aborted) {
      try {
        await using _client = await arrive(telecast, transport, () => counts.messages++);
        counts.opened++;
        await sleep(Math.random() * STAY_MS);
      } catch (error) {
        if (!stop.signal.aborted) failures.push(error);
        await sleep(1_000);
      }
    }
  };
  const publishing = publisher.publishAtRate(
    (index) => ({ topic: "fleet", payload: trackingPayload(`D${index % DEVICES}`, index + 1) }),
    { perSecond: MESSAGES_PER_SECOND, signal: stop.signal },
  );
  const visitors: Promise<void>[] = [];
  for (let i = 0; i < CLIENTS; i++) {
    visitors.push(visit("ws"), visit("sse"));
    if (i % 20 === 0) await sleep(20);
  }
  await sleep(durationMs);
  // On a busy machine clients connect more slowly: wait longer until enough have come and gone.
  const deadline = performance.now() + MAX_LONGER_MS;
  while (counts.opened < 3 * CLIENTS && performance.now() < deadline) await sleep(1_000);
  stop.abort();
  await Promise.all([...visitors, publishing]);
  assert.deepEqual(failures.slice(0, 3), []);
  return counts;
}

/** Resident bytes once no session is left: the minimum over a few seconds. */
async function memoryAtRest({ telecast }: System): Promise<number> {
  await eventually("no session left", async () => {
    const { transports } = await telecast.json("/api/v1/stats");
    assert.equal(transports.ws.connections, 0);
    assert.equal(transports.sse.connections, 0);
    const stats = await telecast.json("/api/v1/stream/stats");
    assert.equal(stats.active_subscribers, 0);
    assert.equal(stats.devices_being_monitored, 0);
    return true;
  });
  let lowest = Infinity;
  for (let i = 0; i < 8; i++) {
    lowest = Math.min(lowest, await telecast.process.residentBytes());
    await sleepUntil(undefined, 500);
  }
  return lowest;
}

/** Opens a client; one in four leaves in mid-stream, by a reset instead of an orderly end. */
async function arrive(
  telecast: System["telecast"],
  transport: "ws" | "sse",
  onMessage: () => void,
): Promise<AsyncDisposable> {
  const device = () => `D${Math.floor(Math.random() * DEVICES)}`;
  const query = `device_ids=${device()},${device()}`;
  const timeoutMs = 180_000;
  if (Math.random() < 0.25) return await SlowClient.open({ port: telecast.port, transport, query });
  return transport === "ws"
    ? await WsClient.open(telecast.wsUrl(query), { onFrame: onMessage, timeoutMs })
    : await SseClient.open(telecast.sseUrl(query), { onEvent: onMessage, timeoutMs });
}

function sleepUntil(signal: AbortSignal | undefined, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end);
  });
}
