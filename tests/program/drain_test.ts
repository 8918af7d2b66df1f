/** The shutdown of the program, as its clients and its load balancer see it. */

import assert from "node:assert/strict";
import mqtt from "mqtt";
import { EmbeddedBroker } from "../../ingest/demo/broker.ts";
import { eventually } from "../kit/eventually.ts";
import { trackingPayload } from "../kit/payload.ts";
import { SlowClient } from "../kit/clients/slow_client.ts";
import { SseClient } from "../kit/clients/sse_client.ts";
import { Telecast } from "../kit/servers/telecast.ts";
import { WsClient } from "../kit/clients/ws_client.ts";

/** A broker, Telecast reading from it, and a device. */
class Site implements AsyncDisposable {
  private constructor(
    readonly telecast: Telecast,
    readonly device: mqtt.MqttClient,
    private readonly stack: AsyncDisposableStack,
  ) {}

  static async start(env: Record<string, string> = {}): Promise<Site> {
    await using stack = new AsyncDisposableStack();
    const broker = stack.use(await EmbeddedBroker.start({ host: "127.0.0.1", port: 0 }));
    const telecast = stack.use(
      await Telecast.start({ env: { BROKER_HOST: broker.url, ...env } }),
    );
    await telecast.waitForSource();
    const device = mqtt.connect(broker.url, { protocolVersion: 4 });
    stack.defer(() => device.endAsync(true));
    return new Site(telecast, device, stack.move());
  }

  async publish(deviceId: string, from: number, to: number, chars = 300): Promise<void> {
    for (let n = from; n <= to; n++) {
      await this.device.publishAsync(`fleet/${deviceId}`, trackingPayload(deviceId, n, { chars }), {
        qos: 1,
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack.disposeAsync();
  }
}

Deno.test("SIGTERM: every client gets goodbye with a spread reconnect delay, and is closed", async () => {
  await using site = await Site.start({ DRAIN_SECONDS: "2" });
  const { telecast } = site;
  await using stack = new AsyncDisposableStack();
  const ws: WsClient[] = [];
  const sse: SseClient[] = [];
  for (let i = 0; i < 20; i++) {
    ws.push(stack.use(await WsClient.open(telecast.wsUrl("device_ids=A"))));
    sse.push(stack.use(await SseClient.open(telecast.sseUrl("device_ids=A"))));
  }
  await site.publish("A", 1, 3);
  for (const client of [...ws, ...sse]) await client.waitForMessages(3);
  const start = performance.now();
  telecast.process.kill("SIGTERM");
  const goodbyes = await Promise.all(
    [...ws, ...sse].map((client) => client.waitForEvent("goodbye")),
  );
  for (const client of ws) assert.equal((await client.waitForClose()).code, 1001);
  for (const client of sse) await client.waitForEnd();
  assert.equal((await telecast.process.waitForExit()).code, 0);
  // No client is behind, so the two seconds for queues are not used.
  assert.ok(performance.now() - start < 2000);
  const waits = goodbyes.map(({ data }) => {
    const { reason, reconnect_ms, ...rest } = JSON.parse(data);
    assert.deepEqual([reason, rest], ["drain", {}]);
    return reconnect_ms as number;
  });
  assert.ok(waits.every((ms) => Number.isInteger(ms) && ms >= 0 && ms <= 10_000));
  assert.ok(new Set(waits).size > 20, "the delays are not spread");
  // Goodbye is the last event, and its position can be resumed from.
  for (const client of [...ws, ...sse]) assert.equal(client.events.items.at(-1)!.event, "goodbye");
  const last = ws[0]!.events.items.findLast(({ event }) => event === "message")!;
  assert.ok(goodbyes.every(({ id }) => id === last.id));
});

for (const transport of ["ws", "sse"] as const) {
  Deno.test(`SIGTERM: a ${transport} client that does not read does not delay the shutdown beyond its limit`, async () => {
    await using site = await Site.start({ DRAIN_SECONDS: "1" });
    const { telecast } = site;
    await using slow = await SlowClient.open({
      port: telecast.port,
      transport,
      query: "device_ids=A",
    });
    await using good = await WsClient.open(telecast.wsUrl("device_ids=A"));
    let sent = 0;
    await eventually("messages wait", async () => {
      await site.publish("A", sent + 1, sent += 50, 50_000);
      return (await telecast.json("/api/v1/stats")).queued.messages > 0;
    }, { timeoutMs: 20_000 });
    const start = performance.now();
    telecast.process.kill("SIGTERM");
    // Its queue gets the whole drain time; meanwhile no new traffic is accepted.
    await eventually("readyz says draining", async () => {
      const response = await fetch(`${telecast.url}/readyz`);
      assert.deepEqual([response.status, await response.json()], [503, { status: "draining" }]);
      return true;
    });
    const refused = await fetch(telecast.sseUrl());
    assert.equal(refused.status, 503);
    assert.equal((await refused.json()).code, "draining");
    await good.waitForEvent("goodbye");
    const { code } = await telecast.process.waitForExit();
    const tookMs = performance.now() - start;
    assert.equal(code, 0);
    // One second for its queue, and two for its socket.
    assert.ok(tookMs >= 1000 && tookMs < 4500, `${tookMs} ms`);
    // It gets what its socket held, from the first message on, but not what waited behind that.
    await slow.read(() => false);
    const numbers = slow.events.map(({ data }) => JSON.parse(data).data?.SEQ).filter(Boolean);
    assert.ok(numbers.length > 0 && numbers.length < sent, `${numbers.length} of ${sent}`);
    assert.deepEqual(numbers, numbers.map((_, i) => i + 1));
  });
}

Deno.test("a second signal, well after the first, ends the program at once", async () => {
  await using site = await Site.start({ DRAIN_SECONDS: "60" });
  const { telecast } = site;
  await using _slow = await SlowClient.open({
    port: telecast.port,
    transport: "ws",
    query: "device_ids=A",
  });
  await eventually("messages wait", async () => {
    await site.publish("A", 1, 50, 50_000);
    return (await telecast.json("/api/v1/stats")).queued.messages > 0;
  }, { timeoutMs: 20_000 });
  telecast.process.kill("SIGINT");
  await eventually("draining", async () => (await fetch(`${telecast.url}/readyz`)).status === 503);
  await eventually("the second signal ends it", () => {
    telecast.process.kill("SIGINT");
    return telecast.process.status !== undefined;
  }, { timeoutMs: 5000 });
  assert.equal(telecast.process.status?.code, 130);
});

Deno.test("a cursor is valid after a restart and on the other transport, and so is that of goodbye", async () => {
  await using site = await Site.start({ DRAIN_SECONDS: "1" });
  const { telecast } = site;
  await using ws = await WsClient.open(telecast.wsUrl("device_ids=A"));
  await site.publish("A", 1, 5);
  const second = (await ws.waitForMessages(5))[1]!.id!;
  telecast.process.kill("SIGTERM");
  const { id } = await ws.waitForEvent("goodbye");
  await telecast.process.waitForExit();
  await telecast.restart({ signal: "SIGKILL" });
  await telecast.waitForSource();
  await site.publish("A", 6, 7);
  await eventually("all of them are stored", async () => {
    return (await telecast.json("/api/v1/devices/A/messages")).messages.length === 7;
  });
  for (const [cursor, first] of [[second, 3], [id!, 6]] as const) {
    await using sse = await SseClient.open(telecast.sseUrl(`device_ids=A&since=${cursor}`));
    const { data } = await sse.waitForEvent("resumed");
    assert.equal(data, `{"status":"full","replayed":${8 - first}}`);
    assert.equal(JSON.parse(sse.payloads[0]!).data.SEQ, first);
  }
});
