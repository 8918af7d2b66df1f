/**
 * What the program counts and times as it works. Values that it keeps anyway are read at each
 * scrape: see routes/reports/metrics_registry.ts. Labels have few values: never a device or client.
 */

import { type Histogram as OtelHistogram, metrics } from "@opentelemetry/api";
import { Counter, Histogram, type Metric } from "@prometheus-io/client";

/** The stages that a message passes, in order. */
const STAGES = {
  receive: "from the first message of a batch to its hand-over, in the source's worker",
  handover: "from the worker to the main thread",
  queue: "waiting for its commit to start",
  append: "the commit to the log",
  wake: "from the commit on another instance to its arrival here, by the clocks of both",
  send: "writing to all clients of this instance",
} as const;

export type Stage = keyof typeof STAGES;

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** If a label has this many values, further ones count as `other`. */
const MAX_VALUES = 60;

/** A histogram for Prometheus and OpenTelemetry, observed per batch, never per message. */
class Timer {
  readonly histogram: Histogram<"stage">;
  readonly #exported: OtelHistogram;

  constructor(name: string, help: string, labelNames: "stage"[] = []) {
    const fullName = `telecast_${name}_seconds`;
    this.histogram = new Histogram({
      name: fullName,
      help,
      buckets: SECONDS,
      registers: [],
      labelNames,
    });
    // Does nothing unless OTEL_DENO=true: Deno then exports it.
    this.#exported = metrics.getMeter("telecast").createHistogram(fullName, {
      description: help,
      unit: "s",
      advice: { explicitBucketBoundaries: SECONDS },
    });
  }

  /** Returns a function that takes seconds. */
  observer(labels: { stage?: Stage } = {}): (seconds: number) => void {
    const ours = labels.stage ? this.histogram.labels(labels) : this.histogram;
    if (labels.stage) this.histogram.zero(labels);
    return (seconds) => {
      // Clocks of two machines may differ.
      const value = Math.max(0, seconds);
      ours.observe(value);
      this.#exported.record(value, labels);
    };
  }
}

/** Counts by one label. */
class Tally {
  readonly counter: Counter<string>;
  readonly #known: Set<string>;

  constructor(
    name: string,
    help: string,
    private readonly label: string,
    /** Exported from the start, so that the first count is seen as an increase. */
    known: readonly string[] = [],
  ) {
    this.counter = new Counter({
      name: `telecast_${name}_total`,
      help,
      registers: [],
      labelNames: [label],
    });
    this.#known = new Set(known);
    for (const value of known) this.counter.inc({ [label]: value }, 0);
  }

  count(value: string, by = 1): void {
    if (!this.#known.has(value)) {
      if (this.#known.size < MAX_VALUES) this.#known.add(value);
      else value = "other";
    }
    this.counter.inc({ [this.label]: value }, by);
  }
}

const stageHelp = Object.entries(STAGES).map(([name, text]) => `${name}: ${text}`).join("; ");
const stageTimer = new Timer("stage", `Time per batch in each stage; ${stageHelp}`, [
  "stage",
]);
const stageObservers = Object.fromEntries(
  Object.keys(STAGES).map((stage) => [stage, stageTimer.observer({ stage: stage as Stage })]),
) as Record<Stage, (seconds: number) => void>;

const loopTimer = new Timer("event_loop_delay", "Delay of timers on the main thread");
const observeLoop = loopTimer.observer();

/** Records how long a stage took for a batch. */
export function stageTook(stage: Stage, ms: number): void {
  stageObservers[stage](ms / 1000);
}

export function eventLoopWasLate(ms: number): void {
  observeLoop(ms / 1000);
}

/** Requests that were answered with a problem document: wrong, not allowed, or over a limit. */
export const problems = new Tally("problems", "Requests refused or failed, by code", "code", [
  "too_many_connections",
  "too_many_connections_of_address",
]);

/** Streams that this side ended. */
export const closed = new Tally("closed", "Streams ended by the server, by reason", "reason", [
  "drain",
]);

/** Messages that a client did not get. */
export const drops = new Tally("drops", "Messages dropped for slow clients, by limit", "reason", [
  "queue_max_per_device",
  "queue_max_bytes",
]);

/** Cursors that clients reconnected with. */
export const resumes = new Tally("resumes", "Resumes by what could be replayed", "status", [
  "full",
  "partial",
  "none",
]);

const requests = new Counter({
  name: "telecast_http_requests_total",
  help: "Requests by route and status; streams count when they start",
  registers: [],
  labelNames: ["route", "status"],
});

/** Counts a response; `route` is one of few patterns, never a path. */
export function answered(route: string, status: number): void {
  requests.inc({ route, status });
}

/** All metrics above, for a registry. */
export const KEPT_METRICS: readonly Metric[] = [
  stageTimer.histogram,
  loopTimer.histogram,
  problems.counter,
  closed.counter,
  drops.counter,
  resumes.counter,
  requests,
];
