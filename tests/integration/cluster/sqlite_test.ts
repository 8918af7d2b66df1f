/** Several processes, and several threads of one process, on one SQLite file, without a server. */

import assert from "node:assert/strict";
import { Checker } from "../../kit/checker.ts";
import { isOwner, startAll } from "../../kit/servers/cluster.ts";
import { eventually } from "../../kit/eventually.ts";
import { Fleet, pause } from "../../kit/fleet.ts";
import { Mosquitto } from "../../kit/servers/mosquitto.ts";
import { MqttPublisher } from "../../kit/clients/mqtt_publisher.ts";
import { assertOneOrder, OrderProbe } from "../../kit/order_probe.ts";
import { trackingPayload } from "../../kit/payload.ts";
import { say } from "../../kit/say.ts";
import { Telecast } from "../../kit/servers/telecast.ts";
import { TempDir } from "../../kit/temp_dir.ts";

const LOAD_MS = 4_000;
const FLEET = { clients: 60, devices: 40, perSecond: 400 };
const SECONDS = 8;

/** Starts instances that share a folder and the file in it. */
async function started(
  count: number,
  stack: AsyncDisposableStack,
  env: Readonly<Record<string, string>>,
) {
  const broker = stack.use(await Mosquitto.start());
  const dir = stack.use(await TempDir.create("telecast-"));
  const all = { BROKER_HOST: broker.url, DRAIN_SECONDS: "1", LOG_FORMAT: "text", ...env };
  const options = Array.from({ length: count }, () => ({ cwd: dir.path, env: all }));
  const instances = await startAll(options, stack);
  return { broker, instances };
}

const owner = (instances: readonly Telecast[]) =>
  eventually("an instance consumes the broker", async () => {
    const owners = await Promise.all(instances.map(isOwner));
    return instances.find((_, i) => owners[i]);
  });

Deno.test("two processes on one file: the one that consumes is killed, the other takes over, nothing is lost", async () => {
  await using stack = new AsyncDisposableStack();
  const { broker, instances } = await started(2, stack, {});
  const first = await owner(instances);
  await using fleet = await Fleet.start({
    ...FLEET,
    brokerUrl: broker.url,
    streamUrls: instances.map((telecast) => telecast.sseUrl()),
  });
  fleet.begin();
  await pause(LOAD_MS);
  await first.kill("SIGKILL");
  const [takeover] = await Promise.all([fleet.untilFlow(), first.start()]);
  await pause(LOAD_MS);
  await fleet.halt();
  await fleet.assertFlawless();
  say(`takeover after ${Math.round(takeover)} ms; ${fleet.summary()}`);
});

Deno.test("four processes write to one file at once: nothing is lost, all see the same order", async () => {
  await using stack = new AsyncDisposableStack();
  const { broker, instances } = await started(4, stack, { INGEST_MODE: "shared" });
  const probes: OrderProbe[] = [];
  for (const telecast of instances) {
    await telecast.waitForSource();
    probes.push(stack.use(await OrderProbe.open(telecast.sseUrl())));
  }
  await using publisher = await MqttPublisher.connect(broker.url);
  const checker = new Checker();
  const count = FLEET.perSecond * SECONDS;
  await publisher.publishAtRate((i) => {
    const device = `bus-${i % FLEET.devices}`;
    const payload = trackingPayload(device, checker.next(device), { uuid: null });
    return { topic: `fleet/${device}`, payload };
  }, { perSecond: FLEET.perSecond, count });
  await eventually(
    "all messages on all instances",
    () => probes.every(({ seen }) => seen.length >= count),
    { timeoutMs: 120_000 },
  );
  assertOneOrder(probes, count);
  const once = new Set(probes[0]!.seen.map((line) => line.slice(line.indexOf(" ") + 1)));
  assert.equal(once.size, count, "each message once");
});

Deno.test("WEB_CONCURRENCY=2: clients spread over two threads, each gets its messages", async () => {
  await using stack = new AsyncDisposableStack();
  const { broker, instances } = await started(1, stack, { WEB_CONCURRENCY: "2" });
  const [telecast] = instances;
  await eventually("both threads are running", async () => {
    const { instances, ingest_lease } = await telecast!.json("/api/v1/stats");
    return instances.length === 2 && ingest_lease !== "";
  });
  await telecast!.process.waitForOutput(/(listening on[^]*){2}/);
  await using fleet = await Fleet.start({
    ...FLEET,
    brokerUrl: broker.url,
    streamUrls: [telecast!.sseUrl()],
  });
  await fleet.run(LOAD_MS / 1000);
  await fleet.assertFlawless();
  await eventually("clients on both threads", async () => {
    const { instances } = await telecast!.json("/api/v1/stats");
    const subscribers: number[] = instances.map((one: { subscribers: number }) => one.subscribers);
    return subscribers.every((count) => count >= FLEET.clients / 10) &&
      subscribers.reduce((sum, count) => sum + count) === FLEET.clients;
  });
  say(fleet.summary());
  const start = performance.now();
  await telecast!.kill("SIGTERM");
  const took = performance.now() - start;
  assert.ok(took < 20_000, `it took ${took} ms to end`);
  assert.doesNotMatch(telecast!.output, /\[(ERR|FTL)\]|rror:/);
});
