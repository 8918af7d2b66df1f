/** All metrics of the program, for Prometheus, StatsD and OpenTelemetry. */

import process from "node:process";
import { Counter, Gauge, Registry } from "@prometheus-io/client";
import { KEPT_METRICS } from "../../telemetry/metrics.ts";
import type { AppDeps } from "../http/deps.ts";

type Labels = Record<string, string>;
type Sample = readonly [Labels, number];

/** Help texts of the metrics for AWS IoT Core, by name. */
const GAUGES: Labels = {
  aws_iot_connected: "1 while there is a connection to AWS IoT Core",
  aws_iot_breaker_open: "1 while the circuit breaker is open",
  aws_iot_buffered: "Messages waiting in the buffer",
  aws_iot_publish_latency_p50_seconds: "Median time from send to ack, of the last 1,000",
  aws_iot_publish_latency_p99_seconds: "99th percentile from send to ack, of the last 1,000",
};
const COUNTERS: Labels = {
  aws_iot_published: "Messages that AWS IoT Core acknowledged",
  aws_iot_put_in_buffer: "Messages put into the buffer",
  aws_iot_refused: "Messages that the policy does not allow",
  aws_iot_dropped: "Messages lost: too old, too many, or no store",
  aws_iot_breaker_opened: "Times that the circuit breaker opened",
};

const STARTED_AT = performance.timeOrigin;

/** Reads, at each scrape, the totals that the program keeps anyway. */
export function metricsRegistry(
  { hub, fanout, sources, deliveries, inbound, companies, leaseOwner, instance, awsIot }: AppDeps,
): Registry {
  const registry = new Registry();
  for (const metric of KEPT_METRICS) registry.registerMetric(metric);
  const labelsOf = (samples: readonly Sample[]) => Object.keys(samples[0]?.[0] ?? {});

  const gauge = (name: string, help: string, read: () => readonly Sample[], labels?: string[]) =>
    new Gauge({
      name: `telecast_${name}`,
      help,
      registers: [registry],
      labelNames: labels ?? labelsOf(read()),
      collect() {
        this.reset();
        for (const [labels, value] of read()) this.set(labels, value);
      },
    });
  const counter = (name: string, help: string, read: () => readonly Sample[], labels?: string[]) =>
    new Counter({
      name: `telecast_${name}_total`,
      help,
      registers: [registry],
      labelNames: labels ?? labelsOf(read()),
      collect() {
        this.reset();
        for (const [labels, total] of read()) this.inc(labels, total);
      },
    });

  const one = (value: number): Sample[] => [[{}, value]];
  const bySource = (key: "received" | "malformed" | "dropped" | "reconnects") => () =>
    sources().map((source): Sample => [{ source: source.name }, source[key]]);
  const byTransport = (key: "connections" | "connected" | "sent" | "dropped") => () =>
    Object.entries(hub.totals).map(([transport, totals]): Sample => [{ transport }, totals[key]]);
  const SOURCE = ["source"];

  counter("received", "Messages taken from a source", bySource("received"), SOURCE);
  counter("malformed", "Messages skipped: see the log", bySource("malformed"), SOURCE);
  counter("ingest_dropped", "Messages dropped by a source", bySource("dropped"), SOURCE);
  counter("reconnects", "Connections made after the first", bySource("reconnects"), SOURCE);
  gauge(
    "source_connected",
    "1 while a source is connected",
    () =>
      sources().map(({ name, state }): Sample => [
        { source: name },
        state === "connected" ? 1 : 0,
      ]),
    SOURCE,
  );
  gauge(
    "source_lag",
    "Messages not yet read from a source",
    () =>
      sources().flatMap(({ name, lag }): Sample[] =>
        typeof lag === "number" ? [[{ source: name }, lag]] : []
      ),
    SOURCE,
  );
  gauge(
    "source_partition_lag",
    "The same, by partition of a Kafka topic",
    () => sources().flatMap(({ name, detail }) => partitionLags(name, detail)),
    [
      "source",
      "topic",
      "partition",
    ],
  );
  gauge(
    "ingest_lease",
    "1 if this instance has the ingest lease",
    () => one(leaseOwner() === instance ? 1 : 0),
  );
  counter("stored", "Messages received here and stored", () => one(fanout.stored));
  counter("published", "Publications received from all instances", () => one(hub.published));
  gauge("pending", "Messages waiting to be stored", () => one(fanout.pending));
  gauge(
    "store_ready",
    "1 while the store answers",
    () => one(fanout.state.state === "ready" ? 1 : 0),
  );
  gauge(
    "store_in_memory",
    "1 while the disk fails and the log continues in memory",
    () => one(fanout.state.state === "memory" ? 1 : 0),
  );
  gauge("devices", "Known devices", () => one(fanout.log.deviceCount));
  gauge("recent_bytes", "Size of recent messages in memory", () => one(fanout.log.bytes));
  gauge("connections", "Open streams", byTransport("connected"));
  counter("connections_opened", "Streams opened", byTransport("connections"));
  counter("sent", "Messages written to clients", byTransport("sent"));
  counter("dropped", "Messages dropped for slow clients", byTransport("dropped"));
  counter("companies_refused", "Messages of unknown companies", () => one(companies.refusedCount));
  if (deliveries) {
    gauge("deliveries_waiting", "Deliveries waiting", () => one(deliveries.depth));
    gauge("deliveries_dead", "Deliveries that failed for good", () => one(deliveries.deadDepth));
    gauge(
      "deliveries_oldest_seconds",
      "Age of the oldest waiting delivery",
      () => one(deliveries.oldestMs / 1000),
    );
    counter(
      "deliveries",
      "Deliveries by outcome",
      () =>
        Object.entries(deliveries.totals).map(([outcome, count]): Sample => [{ outcome }, count]),
    );
  }
  if (inbound) {
    gauge("inbound_peers", "Connected inbound peers", () => one(inbound.peers.size));
    counter(
      "inbound",
      "Messages from people over /ws, by outcome",
      () => Object.entries(inbound.totals).map(([outcome, count]): Sample => [{ outcome }, count]),
    );
  }
  if (awsIot) {
    const { gauges, counters } = awsIot.figures();
    for (const name of Object.keys(gauges)) {
      // Prometheus uses seconds.
      const inSeconds = name.replace(/_ms$/, "_seconds");
      const unit = inSeconds === name ? 1 : 1000;
      const read = () => one(awsIot.figures().gauges[name]! / unit);
      gauge(inSeconds, GAUGES[inSeconds] ?? inSeconds, read);
    }
    for (const name of Object.keys(counters)) {
      counter(name, COUNTERS[name] ?? name, () => one(awsIot.figures().counters[name]!));
    }
  }
  gauge("resident_bytes", "Memory of the process", () => one(Deno.memoryUsage().rss));
  gauge("heap_used_bytes", "JavaScript heap in use", () => one(Deno.memoryUsage().heapUsed));
  gauge("external_bytes", "Buffers outside the heap", () => one(Deno.memoryUsage().external));
  counter("cpu_seconds", "Processor time of the process", () => {
    const { user, system } = process.cpuUsage();
    return one((user + system) / 1e6);
  });
  gauge("start_time_seconds", "Start time since 1970", () => one(STARTED_AT / 1000));
  return registry;
}

function partitionLags(source: string, detail: unknown): Sample[] {
  const partitions = (detail as { partitions?: unknown } | undefined)?.partitions;
  if (!Array.isArray(partitions)) return [];
  return partitions.map(({ topic, partition, lag }): Sample => [
    { source, topic: String(topic), partition: String(partition) },
    Number(lag) || 0,
  ]);
}
