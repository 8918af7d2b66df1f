/** A proxy between the instances and the store loses answers, cuts them in half, and stalls. */

import assert from "node:assert/strict";
import { Cluster } from "../../kit/servers/cluster.ts";
import { DenoKv } from "../../kit/servers/denokv.ts";
import { eventually } from "../../kit/eventually.ts";
import { Fleet, pause } from "../../kit/fleet.ts";
import { KvHttpProxy } from "../../kit/servers/kv_proxy.ts";
import { Mosquitto } from "../../kit/servers/mosquitto.ts";
import { MqttPublisher } from "../../kit/clients/mqtt_publisher.ts";
import { trackingPayload } from "../../kit/payload.ts";
import { say } from "../../kit/say.ts";
import { SseClient } from "../../kit/clients/sse_client.ts";
import { Telecast } from "../../kit/servers/telecast.ts";
import { WsClient } from "../../kit/clients/ws_client.ts";

const LOAD_MS = 8_000;
const STALL_MS = 20_000;
const FLEET = { clients: 60, devices: 40, perSecond: 500 };

async function started() {
  const cluster = await Cluster.start({
    kvProxy: (port) => KvHttpProxy.start(port),
    env: { KEEPALIVE_SECONDS: "2" },
  });
  return cluster;
}

const harm = ({ proxies }: Cluster<KvHttpProxy>) => ({
  commits502: proxies.reduce((sum, { done }) => sum + done.commits502, 0),
  halves: proxies.reduce((sum, { done }) => sum + done.halves, 0),
  held: proxies.reduce((sum, { done }) => sum + done.held, 0),
});

for (
  const [what, spoilt] of [
    ["commits are applied and answered with 502", { commits502: 0.3 }],
    ["answers are cut in half", { halves: 0.1 }],
  ] as const
) {
  Deno.test(`${what}: nothing is lost, nothing arrives twice`, async () => {
    await using cluster = await started();
    // Without uuids, every client sees a commit that is repeated by mistake.
    await using fleet = await Fleet.start({
      ...FLEET,
      brokerUrl: cluster.broker.url,
      streamUrls: [cluster.streamUrl],
      uuids: false,
    });
    fleet.begin();
    for (const proxy of cluster.proxies) proxy.spoil(spoilt);
    await pause(LOAD_MS);
    for (const proxy of cluster.proxies) proxy.pass();
    await fleet.untilFlow();
    await fleet.halt();
    await fleet.assertFlawless();
    const done = harm(cluster);
    say(`${JSON.stringify(done)}; ${fleet.summary()}`);
    assert.ok(done.commits502 + done.halves > 20, "too few faults were injected");
  });
}

Deno.test("an instance starts even if the store fails at any step of the start", async () => {
  await using kv = await DenoKv.start();
  await using broker = await Mosquitto.start();
  await using proxy = await KvHttpProxy.start(kv.port);
  const DENO_KV_URL = `http://127.0.0.1:${proxy.port}`;
  const env = { BROKER_HOST: broker.url, ...kv.env, DENO_KV_URL, DRAIN_SECONDS: "0" };
  for (const key of ["head", "last", "empresa", "topics.mqtt", "lease"]) {
    proxy.fail(key, 1);
    await using telecast = await Telecast.start({ env });
    await telecast.waitForSource();
    await using client = await WsClient.open(telecast.wsUrl("device_ids=A"));
    await using publisher = await MqttPublisher.connect(broker.url);
    await publisher.publish("fleet", trackingPayload("A", 1));
    await client.waitForMessages(1);
    assert.equal(proxy.failing, 0, `nothing asked for ${key}`);
  }
});

Deno.test("the store stalls for 20 s: streams stay open with pings, readiness reports it, all catch up", async () => {
  await using cluster = await started();
  await using fleet = await Fleet.start({
    ...FLEET,
    brokerUrl: cluster.broker.url,
    streamUrls: [cluster.streamUrl],
  });
  const [telecast] = cluster.instances;
  await using ws = await WsClient.open(telecast!.wsUrl("device_ids=quiet"));
  await using sse = await SseClient.open(telecast!.sseUrl("device_ids=quiet"));
  fleet.begin();
  await fleet.untilFlow();
  for (const proxy of cluster.proxies) proxy.stall();
  const stalled = pause(STALL_MS);
  for (const telecast of cluster.instances) {
    await eventually("degraded", async () => {
      const { status, reasons } = await telecast.json("/readyz");
      return status === "degraded" && /^store: /m.test(reasons.join("\n"));
    });
  }
  const [wsSeen, sseSeen] = [ws.events.items.length, sse.events.items.length];
  await ws.waitForEvent("ping", { from: wsSeen });
  await sse.waitForEvent("ping", { from: sseSeen });
  await stalled;
  for (const proxy of cluster.proxies) proxy.pass();
  const back = await fleet.untilFlow();
  for (const telecast of cluster.instances) {
    await eventually("ready again", async () => (await telecast.json("/readyz")).status === "ok");
  }
  await fleet.halt();
  await fleet.assertFlawless();
  say(
    `messages flow ${Math.round(back)} ms after the stall; ${
      JSON.stringify(harm(cluster))
    }; ${fleet.summary()}`,
  );
  assert.equal(ws.closeCode, undefined);
  const connects = fleet.clients.reduce((sum, { connects }) => sum + connects, 0);
  assert.equal(connects, FLEET.clients, "a stream was closed");
});
