/** One run of a source's worker, as seen from the main thread. */

import { setImmediate } from "node:timers";
import type { Entry, SourceOffset } from "../../broker/messages/message.ts";
import { reasonOf } from "../../telemetry/log.ts";
import { stageTook } from "../../telemetry/metrics.ts";
import { PendingPublishes } from "./pending_publishes.ts";
import {
  type Batch,
  epochMs,
  type FromWorker,
  type OffsetRun,
  type SourceCounters,
  type ToWorker,
} from "./protocol.ts";
import type { Outgoing, SourceDetail } from "./source.ts";

const LOADING_TIMEOUT_MS = 60_000;
const TICK_MS = 500;

export const NO_COUNTERS: Readonly<SourceCounters> = {
  received: 0,
  malformed: 0,
  dropped: 0,
  reconnects: 0,
};

export interface WorkerRunOptions {
  readonly worker: URL;
  readonly name: string;
  readonly heartbeatTimeoutMs: number;
  readonly start: ToWorker;
  publish(entries: readonly Entry[]): Promise<void>;
  onMessage(message: FromWorker): void;
  /** The worker is no longer usable; the listener must end it. */
  onDeath(run: WorkerRun, reason: string): void;
}

type BatchMessage = Extract<FromWorker, { type: "batch" }>;

export class WorkerRun {
  counters: SourceCounters = { ...NO_COUNTERS };
  detail: SourceDetail | undefined;
  readonly #worker: Worker;
  readonly #startedAt = performance.now();
  readonly #loading = Promise.withResolvers<void>();
  readonly #publishes = new PendingPublishes(this.#loading.promise);
  readonly #stopped = Promise.withResolvers<void>();
  readonly #ticker: ReturnType<typeof setInterval>;
  #silentTicks = 0;
  #loaded = false;
  #ended = false;
  /** Resolves when every batch so far is stored, so acks stay in order even if stores do not. */
  #storedSoFar: Promise<void> = Promise.resolve();
  /** Number of the last batch that is stored. */
  #stored = 0;
  #telling = false;

  constructor(private readonly options: WorkerRunOptions) {
    this.#worker = new Worker(options.worker, { type: "module", name: options.name });
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#onMessage(data);
    this.#worker.onmessageerror = () => this.#die("a message from the worker cannot be read");
    this.#worker.onerror = (event) => {
      // The worker reports its own errors. One that it cannot report, such as a syntax error,
      // arrives here and would otherwise end the process.
      event.preventDefault();
      this.#die(`the worker failed: ${event.message}`);
    };
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
  }

  get ageMs(): number {
    return performance.now() - this.#startedAt;
  }

  publish(message: Outgoing, timeoutMs: number): Promise<void> {
    return this.#publishes.add(
      message,
      timeoutMs,
      (id) => this.#post({ type: "publish", id, message, timeoutMs }),
    );
  }

  /** Resolves when the source has disconnected from its broker, or after `timeoutMs`. */
  async stop(timeoutMs: number): Promise<void> {
    if (!this.#loaded) return;
    this.#post({ type: "stop" });
    const timer = setTimeout(() => this.#stopped.resolve(), timeoutMs);
    await this.#stopped.promise;
    clearTimeout(timer);
  }

  end(reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#ticker);
    this.#worker.onmessage = null;
    this.#worker.terminate();
    this.#stopped.resolve();
    this.#publishes.rejectAll(reason);
  }

  #post(message: ToWorker): void {
    if (!this.#ended) this.#worker.postMessage(message);
  }

  #onMessage(message: FromWorker): void {
    this.#silentTicks = 0;
    if (message.type === "batch") return this.#onBatch(message);
    if (message.type === "loaded") {
      this.#loaded = true;
      this.#loading.resolve();
      this.#post(this.options.start);
    } else if (message.type === "published") this.#publishes.settle(message.id, message.error);
    else if (message.type === "failed") this.#die(`the worker failed: ${message.reason}`);
    else if (message.type === "stopped") this.#stopped.resolve();
    else if (message.type === "heartbeat") {
      this.counters = { ...message.counters };
      this.detail = message.detail;
    }
    this.options.onMessage(message);
  }

  #onBatch({ batch, messages, receivedAt, postedAt }: BatchMessage): void {
    stageTook("receive", postedAt - receivedAt);
    stageTook("handover", epochMs() - postedAt);
    const published = this.options.publish(toEntries(messages));
    this.#storedSoFar = Promise.all([this.#storedSoFar, published]).then(
      () => this.#tellStored(batch),
    );
    this.#storedSoFar.catch((error: unknown) => {
      this.#die(`messages could not be stored: ${reasonOf(error)}`);
    });
  }

  /** One commit stores several batches, so the worker is woken up only once for all of them. */
  #tellStored(batch: number): void {
    this.#stored = batch;
    if (this.#telling) return;
    this.#telling = true;
    setImmediate(() => {
      this.#telling = false;
      this.#post({ type: "stored", batch: this.#stored });
    });
  }

  /** Counts ticks, not time: if the main thread itself was blocked, the worker is not blamed. */
  #tick(): void {
    const limitMs = this.#loaded
      ? this.options.heartbeatTimeoutMs
      : Math.max(LOADING_TIMEOUT_MS, this.options.heartbeatTimeoutMs);
    if (++this.#silentTicks * TICK_MS > limitMs) {
      this.#die(`the worker gave no sign of life for ${Math.round(limitMs / 1000)} s`);
    }
  }

  #die(reason: string): void {
    if (!this.#ended) this.options.onDeath(this, reason);
  }
}

function toEntries(batch: Batch): Entry[] {
  const { deviceIds, payloads, fingerprints, jobs, sourceOffsets, inbound } = batch;
  const withOffsets = sourceOffsets && offsetsOf(sourceOffsets, payloads.length);
  return payloads.map((payload, i) => ({
    deviceId: deviceIds[i]!,
    payload,
    fingerprint: fingerprints?.[i],
    job: jobs?.[i],
    sourceOffset: withOffsets?.[i],
    inbound: inbound?.[i],
  }));
}

function offsetsOf(runs: readonly OffsetRun[], length: number): (SourceOffset | undefined)[] {
  const sourceOffsets = new Array<SourceOffset | undefined>(length);
  for (const { key, from, offsets } of runs) {
    offsets.forEach((offset, i) => sourceOffsets[from + i] = { key, offset });
  }
  return sourceOffsets;
}
