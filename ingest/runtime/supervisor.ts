/** The main thread's side of one source: keeps its worker alive and stores its messages. */

import type { Entry } from "../../broker/messages/message.ts";
import type { Logger } from "../../telemetry/log.ts";
import { Fault } from "../../telemetry/log_text.ts";
import { Backoff, type BackoffOptions } from "../../lib/backoff.ts";
import type { FromWorker, SourceCounters, WorkerConfig } from "./protocol.ts";
import type { Outgoing, SourceDetail, SourceState } from "./source.ts";
import { NO_COUNTERS, WorkerRun } from "./worker_run.ts";

export interface SupervisorOptions {
  /** Shown in logs, stats and metrics. */
  readonly name: string;
  /** The protocol of the source: `mqtt`, `kafka`, … */
  readonly kind: string;
  /** The worker's module, e.g. `new URL("../mqtt/worker.ts", import.meta.url)`. */
  readonly worker: URL;
  readonly config: WorkerConfig;
  readonly logger: Logger;
  /**
   * Stores messages; called batch after batch in the order of arrival, without waiting for the
   * previous one. Resolves when they are durable. A rejection restarts the worker, which makes the
   * broker send the messages again.
   */
  publish(entries: readonly Entry[]): Promise<void>;
  onState?(state: SourceState): void;
  /** Called about once a second while the source runs. */
  onCounters?(counters: Readonly<SourceCounters>): void;
  /**
   * Topics that the kept session at the broker may be subscribed to; must be stored, and passed as
   * `previousTopics` after a restart of the process.
   */
  onSubscribed?(topics: readonly string[]): void;
  readonly previousTopics?: readonly string[];
  /** Silence after which a worker counts as hung. */
  readonly heartbeatTimeoutMs?: number;
  readonly restart?: BackoffOptions;
}

const HEALTHY_MS = 60_000;
/** One source, not started at first. start() and stop() may alternate as often as needed. */
export class Supervisor implements AsyncDisposable {
  /** How many times the worker had to be restarted. */
  restarts = 0;
  #state: SourceState = { state: "stopped" };
  #worker: WorkerRun | undefined;
  #past: SourceCounters = { ...NO_COUNTERS };
  #subscribed: readonly string[];
  #restartTimer: ReturnType<typeof setTimeout> | undefined;
  #wanted = false;
  #stopping: Promise<void> = Promise.resolve();
  readonly #backoff: Backoff;

  constructor(private readonly options: SupervisorOptions) {
    this.#backoff = new Backoff(options.restart ?? { minMs: 500, maxMs: 30_000 });
    this.#subscribed = options.previousTopics ?? [];
  }

  get name(): string {
    return this.options.name;
  }

  get kind(): string {
    return this.options.kind;
  }

  get state(): SourceState {
    return this.#state;
  }

  /** Totals since the process started, over all workers. */
  get counters(): Readonly<SourceCounters> {
    return sum(this.#past, this.#worker?.counters ?? NO_COUNTERS);
  }

  /** What this kind of source reports beyond its counters. */
  get detail(): SourceDetail | undefined {
    return this.#worker?.detail;
  }

  /** Connects in the background, at once or after a stop() that is in progress. */
  start(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#backoff.reset();
    this.#setState({ state: "connecting" });
    this.#stopping.then(() => {
      if (this.#wanted && !this.#worker && this.#restartTimer === undefined) this.#launch();
    });
  }

  /**
   * Disconnects from the broker. Messages received but not stored are not acked, so the broker
   * sends them again. A worker that does not answer within `timeoutMs` is terminated.
   */
  stop(timeoutMs = 1_500): Promise<void> {
    if (!this.#wanted) return this.#stopping;
    this.#wanted = false;
    clearTimeout(this.#restartTimer);
    this.#restartTimer = undefined;
    this.#stopping = this.#stopping.then(async () => {
      const worker = this.#worker;
      if (worker) {
        await worker.stop(timeoutMs);
        if (this.#worker === worker) this.#retire(worker, "the source was stopped");
      }
      if (!this.#wanted) this.#setState({ state: "stopped" });
    });
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /**
   * Publishes to the source's broker and resolves after the broker's ack.
   * @throws {Error} if there is no ack within `timeoutMs`; the broker may still have the message.
   */
  async publish(message: Outgoing, timeoutMs = 5_000): Promise<void> {
    // If a stop() is in progress, start() makes the next worker after it.
    if (this.#wanted) await this.#stopping;
    if (!this.#wanted || !this.#worker) {
      throw new Error(`Cannot publish to ${this.name}: the source is not running`);
    }
    await this.#worker.publish(message, timeoutMs);
  }

  #launch(): void {
    this.#restartTimer = undefined;
    const { options } = this;
    this.#worker = new WorkerRun({
      worker: options.worker,
      name: options.name,
      heartbeatTimeoutMs: options.heartbeatTimeoutMs ?? 10_000,
      start: { type: "start", config: options.config, previousTopics: this.#subscribed },
      publish: (entries) => options.publish(entries),
      onMessage: (message) => this.#onMessage(message),
      onDeath: (run, reason) => this.#onDeath(run, reason),
    });
  }

  #onMessage(message: FromWorker): void {
    if (message.type === "state") this.#onWorkerState(message.state);
    else if (message.type === "heartbeat") this.options.onCounters?.(this.counters);
    else if (message.type === "log") {
      this.options.logger[message.level]("{source}: {text}", {
        source: this.name,
        text: message.text,
      });
    } else if (message.type === "failed") {
      this.options.logger.error("{source}: the worker failed: {fault}", {
        source: this.name,
        fault: Fault.from(message.fault),
      });
    } else if (message.type === "subscribed") {
      this.#subscribed = message.topics;
      this.options.onSubscribed?.(message.topics);
    }
  }

  #onWorkerState(state: SourceState): void {
    // A stopping worker reports this before stop() has ended; stop() itself sets the state.
    if (state.state !== "stopped" && this.#wanted) this.#setState(state);
  }

  #onDeath(run: WorkerRun, reason: string): void {
    if (this.#worker !== run) return;
    const connected = this.#state.state === "connected";
    this.#retire(run, reason);
    if (connected) this.#past.reconnects++;
    if (!this.#wanted) return;
    this.restarts++;
    if (run.ageMs > HEALTHY_MS) this.#backoff.reset();
    const retryMs = this.#backoff.next();
    this.options.logger.error("{source}: {reason}; the worker starts again in {retryMs} ms", {
      source: this.name,
      reason,
      retryMs,
    });
    this.#setState({ state: "waiting", reason, retryMs });
    this.#restartTimer = setTimeout(() => this.#launch(), retryMs);
  }

  #retire(run: WorkerRun, reason: string): void {
    run.end(reason);
    this.#past = sum(this.#past, run.counters);
    this.#worker = undefined;
    this.options.onCounters?.(this.counters);
  }

  #setState(state: SourceState): void {
    this.#state = state;
    this.options.onState?.(state);
  }
}

function sum(a: Readonly<SourceCounters>, b: Readonly<SourceCounters>): SourceCounters {
  return {
    received: a.received + b.received,
    malformed: a.malformed + b.malformed,
    dropped: a.dropped + b.dropped,
    reconnects: a.reconnects + b.reconnects,
  };
}
