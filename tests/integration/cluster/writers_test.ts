/** Four instances write at the same time, each with its share of the messages. */

import assert from "node:assert/strict";
import { Checker } from "../../kit/checker.ts";
import { Cluster } from "../../kit/servers/cluster.ts";
import { eventually } from "../../kit/eventually.ts";
import { MqttPublisher } from "../../kit/clients/mqtt_publisher.ts";
import { assertOneOrder, OrderProbe } from "../../kit/order_probe.ts";
import { trackingPayload } from "../../kit/payload.ts";
import { say } from "../../kit/say.ts";

const WRITERS = 4;
const PER_SECOND = 1_000;
const SECONDS = 10;
const DEVICES = 100;

Deno.test(`${WRITERS} writers of ${PER_SECOND / WRITERS} msg/s each: nothing is lost, all instances see the same order`, async () => {
  await using cluster = await Cluster.start({
    instances: WRITERS,
    env: { INGEST_MODE: "shared" },
  });
  await using stack = new AsyncDisposableStack();
  const probes: OrderProbe[] = [];
  for (const telecast of cluster.instances) {
    await telecast.waitForSource();
    probes.push(stack.use(await OrderProbe.open(telecast.sseUrl())));
  }
  await using publisher = await MqttPublisher.connect(cluster.broker.url);
  const checker = new Checker();
  const count = PER_SECOND * SECONDS;
  await publisher.publishAtRate((i) => {
    const device = `bus-${i % DEVICES}`;
    // Without uuids, a message that two of them ingested would be seen twice.
    const payload = trackingPayload(device, checker.next(device), { uuid: null });
    return { topic: `fleet/${device}`, payload };
  }, { perSecond: PER_SECOND, count });
  await eventually(
    "all messages on all instances",
    () => probes.every(({ seen }) => seen.length >= count),
    { timeoutMs: 120_000 },
  );
  assertOneOrder(probes, count);
  const once = new Set(probes[0]!.seen.map((line) => line.slice(line.indexOf(" ") + 1)));
  assert.equal(once.size, count, "each message once");
  const stored: number[] = [];
  for (const telecast of cluster.instances) {
    stored.push((await telecast.json("/api/v1/stats")).fanout.stored);
  }
  say(`${count} published, written by each: ${stored.join(", ")}`);
  for (const written of stored) assert.ok(written > count / WRITERS / 2, `${written} by one`);
});
