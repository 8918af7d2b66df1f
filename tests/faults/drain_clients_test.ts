/** A rolling update as clients of the library experience it. */

import assert from "node:assert/strict";
import { Telecast as Client } from "../../client/telecast.ts";
import { Checker } from "../kit/checker.ts";
import { Cluster } from "../kit/servers/cluster.ts";
import { eventually } from "../kit/eventually.ts";
import { MqttPublisher } from "../kit/clients/mqtt_publisher.ts";
import { deviceAndSeq, trackingPayload } from "../kit/payload.ts";

const CLIENTS = 1_000;
const DEVICES = 50;
const PER_SECOND = 200;
const DRAIN_SECONDS = 5;
/** How many clients connect at the same time during startup. */
const STARTING = 50;
const LIMIT = { timeoutMs: 120_000 };

interface Return {
  readonly goodbyeAt: number;
  readonly reconnectMs: number;
  afterMs?: number;
}

Deno.test(`one of two instances drains under load: ${CLIENTS} clients lose and repeat nothing, and reconnect spread out`, async () => {
  await using cluster = await Cluster.start({
    instances: 2,
    env: { DRAIN_SECONDS: String(DRAIN_SECONDS) },
  });
  await using stack = new AsyncDisposableStack();
  const checker = new Checker();
  const returns: Return[] = [];
  const faults: string[] = [];
  const clients: Client[] = [];
  for (let i = 0; i < CLIENTS; i++) {
    const deviceId = `d${i % DEVICES}`;
    const checked = checker.client(`client ${i}`, { devices: [deviceId] });
    const client = new Client(cluster.streamUrl, { deviceIds: deviceId, transport: "ws" });
    let last: Return | undefined;
    client.on("message", ({ data }) => {
      const { deviceId, seq } = deviceAndSeq(JSON.stringify(data));
      checked.saw(deviceId, seq);
    });
    client.on("goodbye", ({ reconnectMs }) => {
      returns.push(last = { goodbyeAt: performance.now(), reconnectMs });
    });
    client.on("state", ({ state }) => {
      if (state === "connecting" && last) last.afterMs ??= performance.now() - last.goodbyeAt;
    });
    client.on("resumed", ({ status }) => status !== "full" && faults.push(`resumed ${status}`));
    client.on("dropped", ({ count }) => faults.push(`dropped ${count}`));
    clients.push(stack.use(client));
    if (clients.length % STARTING > 0) continue;
    await eventually("all have a cursor", () => clients.every(({ cursor }) => cursor), LIMIT);
  }

  const publisher = stack.use(await MqttPublisher.connect(cluster.broker.url));
  const stop = new AbortController();
  const publishing = publisher.publishAtRate((i) => {
    const device = `d${i % DEVICES}`;
    return { topic: `fleet/${device}`, payload: trackingPayload(device, checker.next(device)) };
  }, { perSecond: PER_SECOND, signal: stop.signal });
  const seen = () => checker.report().seen;
  await eventually("messages flow", () => seen() > 5 * CLIENTS, LIMIT);

  // Drain the instance that consumes, so that its sources move, too.
  const owner = await cluster.owner();
  const connected = (await owner.json("/api/v1/stream/stats")).active_subscribers as number;
  await owner.kill("SIGTERM", { timeoutMs: 60_000 });
  await eventually(
    "all have reconnected",
    () =>
      returns.length > 0 && returns.every(({ afterMs }) => afterMs !== undefined) &&
      clients.every(({ state }) => state.state === "open"),
    LIMIT,
  );
  const before = seen();
  await eventually("messages flow again", () => seen() > before + 5 * CLIENTS, LIMIT);
  stop.abort();
  await publishing;
  await eventually("everything has arrived", () => checker.complete(), LIMIT);

  checker.assertFlawless();
  assert.deepEqual(faults, []);
  assert.ok(connected > 0.3 * CLIENTS, `${connected} clients were on the draining instance`);
  assert.equal(returns.length, connected);
  // No client reconnects before its reconnectMs, and these are spread evenly.
  const early = returns.filter(({ afterMs, reconnectMs }) => afterMs! < reconnectMs - 20);
  assert.deepEqual(early, []);
  const tenths = Array.from({ length: 10 }, () => 0);
  for (const { reconnectMs } of returns) {
    const tenth = Math.floor((reconnectMs - 1000) / (DRAIN_SECONDS * 100));
    tenths[tenth]!++;
  }
  assert.equal(tenths.length, 10);
  assert.ok(tenths.every((count) => count > connected / 40), `uneven reconnects: ${tenths}`);
});
