import assert from "node:assert/strict";
import { Counter, Gauge, Histogram, Registry } from "@prometheus-io/client";
import { closed } from "../../../telemetry/metrics.ts";
import { asyncapi } from "../../../routes/openapi/asyncapi.ts";
import { figuresOf } from "../../../routes/reports/statsd.ts";
import { eventually } from "../../kit/eventually.ts";
import { Rig } from "../rig.ts";

Deno.test("GET /metrics: current values, with few labels and never a device", async () => {
  await using rig = await Rig.start();
  await rig.fanout.publish([{ deviceId: "secret-device", payload: '{"a":1}' }]);
  const response = await fetch(`${rig.url}/metrics`);
  const text = await response.text();
  assert.match(response.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
  assert.match(text, /^telecast_stored_total 1$/m);
  assert.match(text, /^telecast_connections\{transport="sse"\} 0$/m);
  assert.ok(!text.includes("secret-device"));
  const again = await (await fetch(`${rig.url}/metrics`)).text();
  assert.match(again, /^telecast_stored_total 1$/m);
});

Deno.test("GET /metrics: the lag of a Kafka source, and of its partitions", async () => {
  const partitions = [{ topic: "t", partition: 2, stored: 5, committed: 5, lag: 7 }];
  const counters = { received: 3, malformed: 0, dropped: 0, reconnects: 0 };
  const state = { name: "kafka", kind: "kafka", state: "connected" as const };
  await using rig = await Rig.start({
    sources: () => [{ ...state, ...counters, lag: 7, detail: { lag: 7, partitions } }],
  });
  const text = await (await fetch(`${rig.url}/metrics`)).text();
  assert.match(text, /^telecast_received_total\{source="kafka"\} 3$/m);
  assert.match(text, /^telecast_source_lag\{source="kafka"\} 7$/m);
  const lag = /^telecast_source_partition_lag\{source="kafka",topic="t",partition="2"\} 7$/m;
  assert.match(text, lag);
});

/** The value of a sample; 0 if there is none. */
async function valueOf(rig: Rig, sample: string): Promise<number> {
  const text = await (await rig.fetch("/metrics")).text();
  const line = text.split("\n").find((line) => line.startsWith(`${sample} `));
  return Number(line?.split(" ").at(-1) ?? 0);
}

Deno.test("GET /metrics: resumes, refusals, closed streams and requests are counted by kind", async () => {
  await using rig = await Rig.start({ env: { MAX_CONNECTIONS_PER_IP: "1" } });
  const samples = [
    'telecast_resumes_total{status="full"}',
    'telecast_resumes_total{status="none"}',
    'telecast_problems_total{code="too_many_connections_of_address"}',
    'telecast_problems_total{code="bad_mode"}',
    'telecast_closed_total{reason="frame_too_big"}',
    'telecast_http_requests_total{route="/api/v1/devices/:id",status="404"}',
    'telecast_http_requests_total{route="none",status="404"}',
    'telecast_stage_seconds_count{stage="send"}',
  ];
  const read = () => Promise.all(samples.map((sample) => valueOf(rig, sample)));
  const before = await read();
  const cursor = rig.publish("A", 1);
  rig.publish("A", 2);
  {
    await using client = await rig.sse(`device_ids=A&since=${cursor}`);
    await client.waitForEvent("resumed");
    // A second client from the same address, which may have only one.
    await (await rig.fetch("/api/v1/stream")).body?.cancel();
    rig.publish("A", 3);
    await client.waitForMessages(2);
  }
  await eventually("it is gone", () => rig.hub.sessions.size === 0);
  await (await rig.fetch("/api/v1/stream?mode=x")).body?.cancel();
  await using client = await rig.ws("device_ids=A&since=nonsense");
  await client.waitForEvent("resumed");
  client.send("x".repeat(70_000));
  await client.waitForClose();
  await (await rig.fetch("/api/v1/devices/B")).body?.cancel();
  await (await rig.fetch("/nope/B")).body?.cancel();
  const after = await read();
  assert.deepEqual(after.map((value, i) => value - before[i]!), [1, 1, 1, 1, 1, 1, 1, 1]);
});

Deno.test("GET /metrics: messages dropped for slow clients are counted by limit", async () => {
  const lost = async (env: Record<string, string>, reason: string) => {
    await using rig = await Rig.start({ env });
    const sample = `telecast_drops_total{reason="${reason}"}`;
    const before = await valueOf(rig, sample);
    await using _slow = await rig.slow("sse", "device_ids=*");
    const payload = JSON.stringify({ text: "x".repeat(50_000) });
    await eventually("messages were dropped", async () => {
      for (let i = 0; i < 20; i++) rig.publish(`d${i}`, payload);
      await new Promise((resolve) => setTimeout(resolve));
      return rig.hub.totals.sse.dropped > 0;
    });
    assert.equal(await valueOf(rig, sample) - before, rig.hub.totals.sse.dropped);
  };
  await lost({ QUEUE_MAX_PER_DEVICE: "1" }, "queue_max_per_device");
  await lost({ QUEUE_MAX_BYTES: "65536" }, "queue_max_bytes");
});

Deno.test("GET /metrics: the number of values of a label is limited", async () => {
  await using rig = await Rig.start();
  for (let i = 0; i < 1000; i++) closed.count(`reason_${i}`);
  const text = await (await rig.fetch("/metrics")).text();
  const lines = text.split("\n").filter((line) => line.startsWith("telecast_closed_total{"));
  assert.ok(lines.length < 100, `${lines.length}`);
  assert.ok(await valueOf(rig, 'telecast_closed_total{reason="other"}') > 900);
});

Deno.test("figuresOf() returns names without characters that are special in StatsD", async () => {
  const registry = new Registry();
  new Gauge({
    name: "telecast_source_partition_lag",
    help: "lag",
    registers: [registry],
    labelNames: ["source", "topic", "partition"],
  }).set({ source: "kafka", topic: "tracking.data:x|y", partition: "0" }, 7);
  new Counter({ name: "telecast_sent_total", help: "sent", registers: [registry] }).inc(3);
  const histogram = new Histogram({
    name: "telecast_stage_seconds",
    help: "time",
    registers: [registry],
    labelNames: ["stage"],
  });
  histogram.observe({ stage: "send" }, 0.5);
  assert.deepEqual(figuresOf(await registry.getMetricsAsJSON()), {
    gauges: [["source_partition_lag.kafka.tracking_data_x_y.0", 7]],
    counters: [["sent", 3], ["stage_seconds.send.sum", 0.5], ["stage_seconds.send.count", 1]],
  });
});

Deno.test("GET /asyncapi.json: every event and command, generated from the schemas", async () => {
  await using rig = await Rig.start();
  const document = await (await fetch(`${rig.url}/asyncapi.json`)).json();
  assert.deepEqual(document, JSON.parse(JSON.stringify(asyncapi())));
  const { messages } = document.channels.stream;
  const { data, id } = messages.dropped.payload.properties;
  assert.deepEqual([data.required, id], [["device_id", "count"], undefined]);
  assert.equal(messages.command.payload.oneOf.length, 3);
});
