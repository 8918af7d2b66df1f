/** The broker dies, or the program restarts, while clients are connected. */

import assert from "node:assert/strict";
import { Checker } from "../kit/checker.ts";
import { eventually } from "../kit/eventually.ts";
import { Mosquitto } from "../kit/servers/mosquitto.ts";
import { MqttPublisher } from "../kit/clients/mqtt_publisher.ts";
import { deviceAndSeq, trackingPayload } from "../kit/payload.ts";
import { parseWsFrame, type Received } from "../kit/received.ts";
import { ResumingClient } from "../kit/clients/resuming_client.ts";
import { SseClient } from "../kit/clients/sse_client.ts";
import { System } from "../kit/system.ts";
import { Telecast } from "../kit/servers/telecast.ts";
import { WsClient } from "../kit/clients/ws_client.ts";

const DEVICES = ["A", "B", "C"];
const BATCH = 300;

Deno.test("clients stay connected and miss nothing while Mosquitto is killed and restarted", async () => {
  await using system = await System.start();
  const { broker, telecast, publisher } = system;
  const checker = new Checker();
  const ws = checker.client("ws", { devices: DEVICES });
  const sse = checker.client("sse", { devices: DEVICES });
  const saw = (client: typeof ws) => ({ event, data }: Received) => {
    if (event !== "message") return;
    const { deviceId, seq } = deviceAndSeq(data);
    client.saw(deviceId, seq);
  };
  await using socket = await WsClient.open(telecast.wsUrl("device_ids=A,B,C"), {
    onFrame: (text) => saw(ws)(parseWsFrame(text)),
  });
  await using _stream = await SseClient.open(telecast.sseUrl("device_ids=A,B,C"), {
    onEvent: saw(sse),
  });
  const publishBatch = (to: MqttPublisher) =>
    to.publishAll(Array.from({ length: BATCH }, (_, i) => {
      const device = DEVICES[i % DEVICES.length]!;
      return { topic: `fleet/${device}`, payload: trackingPayload(device, checker.next(device)) };
    }));
  await publishBatch(publisher);
  for (let round = 1; round <= 3; round++) {
    // All must be seen first: a killed broker loses what it holds only in memory.
    await eventually("all messages so far", () => checker.complete());
    await broker.stop("SIGKILL");
    await eventually("degraded", async () => {
      const { status, reasons } = await telecast.json("/readyz");
      return status === "degraded" && reasons.length === 1;
    });
    await broker.restart();
    await telecast.waitForSource();
    assert.equal((await telecast.json("/readyz")).status, "ok");
    await using again = await MqttPublisher.connect(broker.url);
    await publishBatch(again);
    await eventually(`${round} reconnects in the stats`, async () => {
      const { sources } = await telecast.json("/api/v1/stats");
      return sources[0].reconnects === round;
    });
  }
  await eventually("all messages", () => checker.complete());
  checker.assertFlawless();
  assert.equal(socket.closeCode, undefined);
  const { transports } = await telecast.json("/api/v1/stats");
  assert.equal(transports.ws.connections_total, 1);
  assert.equal(transports.sse.connections_total, 1);
});

Deno.test("Telecast starts without its broker and connects later", async () => {
  await using broker = await Mosquitto.prepare();
  await using telecast = await Telecast.start({ env: { BROKER_HOST: broker.url } });
  await using client = await WsClient.open(telecast.wsUrl("device_ids=A"));
  await eventually(
    "degraded",
    async () => (await telecast.json("/readyz")).status === "degraded",
  );
  await broker.start();
  await telecast.waitForSource();
  await using publisher = await MqttPublisher.connect(broker.url);
  await publisher.publish("fleet", trackingPayload("A", 1));
  await client.waitForMessages(1);
});

Deno.test("a wrong password is reported, and works once the restarted broker accepts it", async () => {
  await using broker = await Mosquitto.start({ users: { telecast: "other" } });
  await using telecast = await Telecast.start({
    env: { BROKER_HOST: broker.url, MQTT_USERNAME: "telecast", MQTT_PASSWORD: "hunter2-secret" },
  });
  await eventually("a reason", async () => {
    const { status, reasons } = await telecast.json("/readyz");
    return status === "degraded" && /password|authori[sz]ed|credentials/i.test(reasons.join());
  });
  assert.doesNotMatch(telecast.output, /hunter2-secret/);
  await broker.restart({ users: { telecast: "hunter2-secret" } });
  await telecast.waitForSource("mqtt", { timeoutMs: 45_000 });
  assert.equal((await telecast.json("/readyz")).status, "ok");
});

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  Deno.test(`messages at QoS 1 published while Telecast restarts (${signal}) arrive afterwards`, async () => {
    await using broker = await Mosquitto.start();
    await using telecast = await Telecast.start({
      env: { BROKER_HOST: broker.url, DRAIN_SECONDS: "1" },
    });
    await telecast.waitForSource();
    await using publisher = await MqttPublisher.connect(broker.url);
    const checker = new Checker();
    await using clients = new AsyncDisposableStack();
    const resuming: ResumingClient[] = [];
    for (const transport of ["ws", "sse"] as const) {
      resuming.push(clients.use(
        await ResumingClient.start({
          transport,
          url: telecast.sseUrl(),
          deviceIds: DEVICES,
          checked: checker.client(transport, { devices: DEVICES }),
        }),
      ));
    }
    const stop = new AbortController();
    let published = 0;
    const publishing = publisher.publishAtRate((i) => {
      published++;
      const device = DEVICES[i % DEVICES.length]!;
      return { topic: `fleet/${device}`, payload: trackingPayload(device, checker.next(device)) };
    }, {
      perSecond: 500,
      signal: stop.signal,
      // A machine that cannot sustain the rate gets less.
      ready: () =>
        published - Math.min(...resuming.map(({ options }) => options.checked.seen)) < 5_000,
    });
    try {
      for (let round = 1; round <= 3; round++) {
        const before = published;
        await eventually("messages flow", () => published > before + 500, { timeoutMs: 120_000 });
        await telecast.restart({ signal });
        await telecast.waitForSource();
        await eventually("clients back", () => resuming.every(({ connects }) => connects > round), {
          timeoutMs: 120_000,
        });
      }
    } finally {
      stop.abort();
      await publishing;
    }
    await eventually("all messages", () => checker.complete(), { timeoutMs: 120_000 });
    checker.assertFlawless();
    for (const { resumed } of resuming) assert.deepEqual(resumed, { full: 3 });
  });
}
