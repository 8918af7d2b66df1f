/** Clients that stop reading. */

import assert from "node:assert/strict";
import { Checker } from "../kit/checker.ts";
import { eventually } from "../kit/eventually.ts";
import { MemoryWatch } from "../kit/memory.ts";
import { deviceAndSeq, trackingPayload } from "../kit/payload.ts";
import { parseWsFrame, type Received } from "../kit/received.ts";
import { say } from "../kit/say.ts";
import { SlowClient } from "../kit/clients/slow_client.ts";
import { SseClient } from "../kit/clients/sse_client.ts";
import { System } from "../kit/system.ts";
import { WsClient } from "../kit/clients/ws_client.ts";

const MESSAGES = 50_000;
/** Published before the slow client connects, until memory has settled at this rate. */
const WARM_UP = 20_000;
const BATCH = 1_000;
const MAX_GROWTH_BYTES = 120 * 1024 * 1024;

for (const transport of ["ws", "sse"] as const) {
  Deno.test(`a ${transport} client that stops reading costs others no message, and costs little memory`, async () => {
    // A short retention keeps the log from adding to the memory.
    await using system = await System.start({ env: { RETENTION_SECONDS: "5" } });
    const { telecast, publisher } = system;
    const checker = new Checker();
    const good = checker.client("ws", { devices: ["A"] });
    await using _ws = await WsClient.open(telecast.wsUrl("device_ids=A"), {
      onFrame: (text) => saw(good, parseWsFrame(text)),
    });
    const goodToo = checker.client("sse", { devices: ["A"] });
    await using _sse = await SseClient.open(telecast.sseUrl("device_ids=A"), {
      onEvent: (event) => saw(goodToo, event),
    });
    const subscribers = (count: number) =>
      eventually(`${count} clients`, async () => {
        return (await telecast.json("/api/v1/stream/stats")).active_subscribers === count;
      });
    // In batches: even on a busy machine, the clients that read are never far behind.
    const publish = async (count: number) => {
      for (let published = 0; published < count; published += BATCH) {
        await publisher.publishAll(Array.from({ length: BATCH }, () => ({
          topic: "fleet/A",
          payload: trackingPayload("A", checker.next("A")),
        })));
        await eventually("the reading clients have the batch", () => checker.complete(), {
          timeoutMs: 120_000,
          intervalMs: 2,
        });
      }
    };
    await subscribers(2);
    await publish(WARM_UP);

    await using slow = await SlowClient.open({
      port: telecast.port,
      transport,
      query: "device_ids=A",
    });
    await subscribers(3);
    await using memory = await MemoryWatch.start(telecast.process);
    await publish(MESSAGES);
    checker.assertFlawless();
    say(`memory grew by ${Math.round(memory.growthBytes / 1e6)} MB`);
    assert.ok(memory.growthBytes < MAX_GROWTH_BYTES, `memory grew by ${memory.growthBytes} bytes`);

    const { transports, sources } = await telecast.json("/api/v1/stats");
    const lost = transports[transport].dropped;
    assert.ok(lost > 0, "the client lost nothing: it was not slow");
    assert.equal(transports[transport === "ws" ? "sse" : "ws"].dropped, 0);
    assert.equal(sources[0].dropped, 0);
    await slow.read((events) => seenBy(events).length + toldOf(events) >= MESSAGES);
    assert.equal(toldOf(slow.events), lost);
    // Its queue is empty now, so it gets the next message.
    await publisher.publish("fleet/A", trackingPayload("A", checker.next("A")));
    await slow.read((events) => seenBy(events).at(-1) === WARM_UP + MESSAGES + 1);
    const seen = seenBy(slow.events);
    assert.equal(seen.length, MESSAGES + 1 - lost);
    assert.deepEqual(seen, [...new Set(seen)].toSorted((a, b) => a - b));
    assert.equal(toldOf(slow.events), lost);
    assert.match(telecast.output, /Cola llena para device_id A/);
    const warnings = telecast.output.split("\n").filter((line) => line.includes("Cola llena"));
    assert.ok(warnings.length < 50, `${warnings.length} warnings`);
  });
}

function saw(client: { saw(deviceId: string, seq: number): void }, { event, data }: Received) {
  if (event !== "message") return;
  const { deviceId, seq } = deviceAndSeq(data);
  client.saw(deviceId, seq);
}

function seenBy(events: readonly Received[]): number[] {
  return events.filter(({ event }) => event === "message")
    .map(({ data }) => deviceAndSeq(data).seq);
}

/** How many messages are missing according to `dropped` events. */
function toldOf(events: readonly Received[]): number {
  const told = events.filter(({ event }) => event === "dropped").map(({ data }) =>
    JSON.parse(data)
  );
  assert.ok(told.every(({ device_id }) => device_id === "A"));
  return told.reduce((sum, { count }) => sum + count, 0);
}
