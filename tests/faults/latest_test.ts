/** Clients that want only the newest messages and are far slower than the devices. */

import assert from "node:assert/strict";
import { Telecast as Client } from "../../client/telecast.ts";
import { Checker } from "../kit/checker.ts";
import { eventually } from "../kit/eventually.ts";
import { MemoryWatch } from "../kit/memory.ts";
import { deviceAndSeq, trackingPayload } from "../kit/payload.ts";
import { parseWsFrame } from "../kit/received.ts";
import { say } from "../kit/say.ts";
import { SlowClient } from "../kit/clients/slow_client.ts";
import { System } from "../kit/system.ts";
import { WsClient } from "../kit/clients/ws_client.ts";

const DEVICES = 1_000;
const MESSAGES = 50_000;
/** Messages published for each one that the slow reader takes, as for 10/s of 5,000/s. */
const BATCH = 500;
const MAX_GROWTH_BYTES = 120 * 1024 * 1024;
const LIMIT = { timeoutMs: 60_000 };

Deno.test(`mode=latest: a client that reads 1 of ${BATCH} messages gets the newest, at no cost to others`, async () => {
  await using system = await System.start();
  const { telecast, publisher } = system;
  await using stack = new AsyncDisposableStack();
  const checker = new Checker();
  const good = checker.client("good", { devices: "*" });
  stack.use(
    await WsClient.open(telecast.wsUrl("device_ids=*"), {
      onFrame: (text) => {
        const { event, data } = parseWsFrame(text);
        if (event !== "message") return;
        const { deviceId, seq } = deviceAndSeq(data);
        good.saw(deviceId, seq);
      },
    }),
  );
  const silent = stack.use(
    await SlowClient.open({
      port: telecast.port,
      transport: "ws",
      query: "device_ids=*&mode=latest",
    }),
  );
  const library = stack.use(
    new Client(telecast.url, { deviceIds: "*", transport: "ws", mode: "latest" }),
  );
  const reader = library[Symbol.asyncIterator]();
  const arrived = new Map<string, number>();
  library.on("message", ({ data }) => {
    const { deviceId, seq } = deviceAndSeq(JSON.stringify(data));
    arrived.set(deviceId, seq);
  });
  await eventually("three clients", async () => {
    return (await telecast.json("/api/v1/stream/stats")).active_subscribers === 3;
  }, LIMIT);

  const ages: number[] = [];
  let queued = 0;
  let memory: MemoryWatch | undefined;
  for (let published = 0; published < MESSAGES; published += BATCH) {
    // Memory must stay flat from here on, once the process is warm.
    if (published === MESSAGES / 2) {
      memory = stack.use(await MemoryWatch.start(telecast.process));
    }
    const batch = Array.from({ length: BATCH }, (_, i) => `d${(published + i) % DEVICES}`);
    await publisher.publishAll(batch.map((deviceId, i) => ({
      topic: "fleet",
      payload: trackingPayload(deviceId, checker.next(deviceId), { data: { I: published + i } }),
    })));
    const newest = checker.position();
    await eventually(
      "the batch has arrived",
      () => checker.complete() && batch.every((id) => arrived.get(id) === newest.get(id)),
      { ...LIMIT, intervalMs: 2 },
    );
    const { value } = await reader.next();
    const { DEVICE_ID, SEQ, I } = value.data.data;
    assert.equal(SEQ, newest.get(DEVICE_ID));
    ages.push(published + BATCH - I);
    queued = Math.max(queued, (await telecast.json("/api/v1/stats")).queued.messages);
  }
  checker.assertFlawless();
  // One message per device waits for the silent client, and little for the others.
  assert.ok(queued > 0 && queued < 2 * DEVICES, `${queued} messages waited`);
  assert.ok(memory!.growthBytes < MAX_GROWTH_BYTES, `memory grew by ${memory!.growthBytes} bytes`);
  const { transports } = await telecast.json("/api/v1/stats");
  assert.equal(transports.ws.dropped, 0, "conflated messages do not count as dropped");

  // Once it reads, it gets the newest message of every device.
  const newest = checker.position();
  const last = new Map<string, number>();
  let read = 0;
  await silent.read((events) => {
    for (; read < events.length; read++) {
      const { event, data } = events[read]!;
      if (event !== "message") continue;
      const { deviceId, seq } = deviceAndSeq(data);
      assert.ok(
        seq > (last.get(deviceId) ?? 0),
        `${deviceId} #${seq} after #${last.get(deviceId)}`,
      );
      last.set(deviceId, seq);
    }
    return [...newest].every(([deviceId, seq]) => last.get(deviceId) === seq);
  });
  say(
    `${ages.length} read, ${
      Math.max(...ages)
    } messages old at most; ${queued} waited; memory grew ` +
      `by ${
        Math.round(memory!.growthBytes / 1e6)
      } MB; the silent client read ${read} of ${MESSAGES}`,
  );
});
