/** The metrics of /metrics for StatsD: gauges as values, counters as increments. */

import { StatsD } from "hot-shots";
import type { MetricObjectWithValues, MetricValueWithName, Registry } from "@prometheus-io/client";
import { logFault } from "../../telemetry/fault.ts";
import { getLogger } from "../../telemetry/log.ts";

const log = getLogger("statsd");
const INTERVAL_MS = 1000;
const WARN_MS = 60_000;

type Figure = readonly [name: string, value: number];

/** Sends the program's metrics every second over UDP, and once more at the end. */
export class StatsdReporter implements AsyncDisposable {
  readonly #client: StatsD;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #sent = new Map<string, number>();
  #reporting: Promise<void> = Promise.resolve();
  #warned = -WARN_MS;

  constructor(address: { host: string; port: number }, private readonly registry: Registry) {
    this.#client = new StatsD({
      host: address.host.replace(/^\[(.*)\]$/, "$1"),
      port: address.port,
      prefix: "telecast.",
      // Packets with one metric each would arrive out of order before the socket is bound.
      maxBufferSize: 1400,
      errorHandler: () => this.#warn(),
    });
    this.#timer = setInterval(() => this.#report(), INTERVAL_MS);
  }

  #report(): Promise<void> {
    return this.#reporting = this.#reporting.then(async () => {
      const { gauges, counters } = figuresOf(await this.registry.getMetricsAsJSON());
      for (const [name, value] of gauges) this.#client.gauge(name, value);
      for (const [name, total] of counters) {
        const grown = total - (this.#sent.get(name) ?? 0);
        if (grown > 0) this.#client.increment(name, grown);
        this.#sent.set(name, total);
      }
    }).catch((error) => logFault("metrics could not be read for StatsD", error));
  }

  #warn(): void {
    const now = performance.now();
    if (now - this.#warned < WARN_MS) return;
    this.#warned = now;
    log.warning("StatsD cannot be reached: check STATSD_HOST; metrics are lost meanwhile");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#report();
    await new Promise<void>((resolve) => this.#client.close(() => resolve()));
  }
}

/**
 * The same metrics under StatsD names: without `telecast_` and `_total`, with label values appended
 * after dots. A histogram becomes two counters, its count and its sum.
 */
export function figuresOf(metrics: readonly MetricObjectWithValues<Value>[]) {
  const gauges: Figure[] = [];
  const counters: Figure[] = [];
  for (const { name, type, values } of metrics) {
    const base = name.replace(/^telecast_/, "").replace(/_total$/, "");
    for (const { labels, value, metricName } of values) {
      const path = [base, ...Object.values(labels).map((text) => part(String(text)))].join(".");
      // The types of this package and its return values name the kinds differently.
      const kind = String(type);
      if (kind === "gauge") gauges.push([path, value]);
      else if (kind === "counter") counters.push([path, value]);
      else if (metricName?.endsWith("_count")) counters.push([`${path}.count`, value]);
      else if (metricName?.endsWith("_sum")) counters.push([`${path}.sum`, value]);
    }
  }
  return { gauges, counters };
}

type Value = MetricValueWithName<string>;

/** StatsD separates the parts of a name by dots, and ends it with a colon or a bar. */
function part(text: string): string {
  return text.replace(/[^\w-]+/g, "_").replace(/^_+|_+$/g, "") || "root";
}
