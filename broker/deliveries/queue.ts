/** The queue of work for all instances: in order within a partition, partitions in parallel. */

import { type Clock, SYSTEM_CLOCK } from "../../lib/clock.ts";
import { Notifier } from "../../lib/notifier.ts";
import type { KvClient, KvKey } from "../store/kv_client.ts";
import { asStore } from "../store/store_failure.ts";
import type { DeliveryHandler, DeliveryInfo } from "./delivery.ts";
import { PartitionClaims } from "./partition_claim.ts";
import { PartitionWorker, type PartitionWorkerOptions } from "./partition_worker.ts";
import { DEAD_PREFIX, DELIVERY_PREFIX, parseDeliveryId, StoredJob } from "./stored_job.ts";

export interface DeliveryQueueOptions {
  /** Names this instance in claims. */
  readonly instance: string;
  readonly handler: DeliveryHandler;
  readonly onRetry?: (info: DeliveryInfo) => void;
  /** `kept` is false if it is not listed, because too many are. */
  readonly onDead?: (info: DeliveryInfo, kept: boolean) => void;
  /** The handler failed because of a bug in it, and is called again. */
  readonly onFault?: (info: DeliveryInfo, error: unknown) => void;
  /** Gets the error that keeps this instance from working: a {@linkcode StoreFailure} or a bug. */
  readonly onError?: (error: unknown) => void;
  readonly maxAttempts?: number;
  /** Age at which work for an unavailable service is given up; a day by default. */
  readonly maxAgeMs?: number;
  readonly retry?: { readonly baseMs: number; readonly maxMs: number };
  /** After this time, a failing job's partition tries a later one too; a minute by default. */
  readonly heldUpMs?: number;
  /** The same if the service does not answer at all; ten minutes by default. */
  readonly silentMs?: number;
  /** Maximum number of waiting jobs; more are refused. */
  readonly maxWaiting?: number;
  /** Maximum number of kept jobs that failed for good; more are discarded. */
  readonly maxDead?: number;
  /** Poll interval for partitions, if no notification comes. */
  readonly pollMs?: number;
  readonly claimMs?: number;
  /** Time for calls in flight to finish when the queue is closed. */
  readonly graceMs?: number;
  readonly clock?: Clock;
}

export interface DeliveryTotals {
  done: number;
  retried: number;
  dead: number;
  /** Refused, because too much was waiting. */
  refused: number;
  /** Failed for good and not kept, because too many were. */
  lost: number;
}

const MAX_PARTITIONS = 32;
const MAX_LISTED = 1_000;
const MAX_PAGE = 64;
/** Up to this many are counted every time, more than this only once a second. */
const FEW = 50;
/** If more than {@linkcode MAX_LISTED} wait, they are counted no more often than this. */
const COUNT_MS = 10_000;
const GRACE_MS = 2_000;
const HELD_UP_MS = 60_000;
const SILENT_MS = 600_000;
const DAY_MS = 86_400_000;

/**
 * Jobs are stored in the same commit as the messages that caused them. A partition belongs to the
 * instance that claimed it; if that instance goes silent, another continues with the first job. A
 * partition whose first job waits for its next attempt belongs to nobody.
 */
export class DeliveryQueue implements AsyncDisposable {
  readonly totals: DeliveryTotals = { done: 0, retried: 0, dead: 0, refused: 0, lost: 0 };
  /** Waiting jobs of all instances together, as of the last count. */
  depth = 0;
  /** Jobs that failed for good, as of the last count. */
  deadDepth = 0;
  /** Age of the oldest waiting job, in ms, as of the last look. */
  oldestMs = 0;
  readonly #kv: KvClient;
  readonly #options: DeliveryQueueOptions;
  readonly #clock: Clock;
  readonly #claims: PartitionClaims;
  readonly #worker: PartitionWorkerOptions;
  readonly #working = new Map<string, Promise<void>>();
  readonly #notifier = new Notifier();
  readonly #closed = new AbortController();
  /** Aborts after {@linkcode DeliveryQueueOptions.graceMs}: unfinished work is left to others. */
  readonly #abandoned = new AbortController();
  #alarm = new AbortController();
  /** Jobs admitted since the last count. */
  #admitted = 0;
  #countedAt = -Infinity;
  #run: Promise<unknown> = Promise.resolve();

  constructor(kv: KvClient, options: DeliveryQueueOptions) {
    const { claimMs = 10_000, clock = SYSTEM_CLOCK, onRetry, onDead, maxDead = 10_000 } = options;
    const store = this.#kv = asStore(kv);
    this.#options = options;
    this.#clock = clock;
    this.#claims = new PartitionClaims(store, options.instance, { claimMs, clock });
    this.#worker = {
      kv: store,
      clock,
      handler: options.handler,
      maxAttempts: options.maxAttempts ?? 20,
      maxAgeMs: options.maxAgeMs ?? DAY_MS,
      retry: options.retry ?? { baseMs: 1_000, maxMs: 300_000 },
      heldUpMs: options.heldUpMs ?? HELD_UP_MS,
      silentMs: options.silentMs ?? SILENT_MS,
      renewMs: claimMs / 3,
      onDone: () => this.totals.done++,
      onRetry: (info) => {
        this.totals.retried++;
        onRetry?.(info);
      },
      onDead: (info, kept) => {
        this.totals.dead++;
        if (kept) this.deadDepth++;
        else this.totals.lost++;
        onDead?.(info, kept);
      },
      onFault: options.onFault,
      keepsDead: () => this.deadDepth < maxDead,
    };
  }

  start(): void {
    this.#run = Promise.all([this.#lookForPartitions(), this.#poll()]);
  }

  /** Call it when a job was stored. */
  notify(): void {
    this.#notifier.notify();
  }

  /** Call it before a job is stored: false, and counted as refused, if the queue is full. */
  admit(): boolean {
    if (this.isFull) {
      this.totals.refused++;
      return false;
    }
    this.#admitted++;
    return true;
  }

  get isFull(): boolean {
    return this.depth + this.#admitted >= (this.#options.maxWaiting ?? 100_000);
  }

  async list(state: DeliveryInfo["state"]): Promise<DeliveryInfo[]> {
    const prefix = state === "dead" ? DEAD_PREFIX : DELIVERY_PREFIX;
    const entries = await this.#kv.list({ prefix }, { limit: MAX_LISTED });
    return entries.map((entry) => new StoredJob(entry).info(state));
  }

  /** Returns a dead delivery to its place in its partition; false if there is none with that id. */
  async retry(id: string): Promise<boolean> {
    const place = parseDeliveryId(id);
    if (!place) return false;
    const entry = await this.#kv.get([...DEAD_PREFIX, place.partition, place.offset]);
    if (!entry) return false;
    const job = new StoredJob(entry);
    const result = await this.#kv.commit({
      checks: [job.check],
      sets: [{
        key: [...DELIVERY_PREFIX, place.partition, place.offset],
        value: job.with({
          attempts: 0,
          notBefore: 0,
          failingSince: undefined,
          time: this.#clock.wall(),
        }),
      }],
      deletes: [entry.key],
    });
    this.notify();
    return result.ok;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    this.#alarm.abort();
    this.#notifier.notify();
    await this.#run;
    const idle = Promise.allSettled(this.#working.values());
    // A call that is cut off would be repeated by the next holder of the partition.
    const done = new AbortController();
    const grace = this.#clock.sleep(this.#options.graceMs ?? GRACE_MS, done.signal);
    await Promise.race([idle, grace]);
    done.abort();
    this.#abandoned.abort();
    await idle;
  }

  async #poll(): Promise<void> {
    const { signal } = this.#closed;
    while (!signal.aborted) {
      await this.#clock.sleep(this.#options.pollMs ?? 1_000, signal);
      this.#notifier.notify();
    }
  }

  async #lookForPartitions(): Promise<void> {
    const { signal } = this.#closed;
    while (!signal.aborted) {
      try {
        await this.#startPartitions();
      } catch (error) {
        // The store is unavailable: the fanout reports it, and the next poll tries again.
        this.#options.onError?.(error);
      }
      await this.#notifier.wait();
    }
  }

  /** Starts each partition whose first job is due, and sets the alarm for the next one. */
  async #startPartitions(): Promise<void> {
    const now = this.#clock.wall();
    let oldest = now;
    let next = Infinity;
    for await (const job of this.#firstJobs()) {
      oldest = Math.min(oldest, job.value.time ?? now);
      if (this.#working.has(job.partition)) continue;
      if (!job.isDue(now)) next = Math.min(next, job.value.notBefore ?? 0);
      else if (this.#working.size < MAX_PARTITIONS) this.#startPartition(job.partition);
    }
    this.oldestMs = now - oldest;
    this.#wakeAt(next);
    await this.#count();
  }

  /** The first job of every partition. */
  async *#firstJobs(): AsyncGenerator<StoredJob> {
    let after: KvKey | undefined;
    // Many partitions with one job are read at a time, but only the first job of a long partition.
    for (let limit = 1; !this.#closed.signal.aborted;) {
      const options = { limit, ...(after ? { after } : {}) };
      const page = await this.#kv.list({ prefix: DELIVERY_PREFIX }, options);
      const partitions = new Set<string>();
      for (const entry of page) {
        const job = new StoredJob(entry);
        if (!partitions.has(job.partition)) yield job;
        partitions.add(job.partition);
      }
      if (page.length < limit) return;
      after = [...DELIVERY_PREFIX, String(page.at(-1)!.key[1]), Number.MAX_VALUE];
      limit = partitions.size === page.length ? Math.min(MAX_PAGE, limit * 2) : 1;
    }
  }

  #wakeAt(time: number): void {
    this.#alarm.abort();
    if (time === Infinity || this.#closed.signal.aborted) return;
    const { signal } = this.#alarm = new AbortController();
    this.#clock.sleep(Math.max(0, time - this.#clock.wall()), signal).then(() => {
      if (!signal.aborted) this.notify();
    });
  }

  async #count(): Promise<void> {
    const now = this.#clock.monotonic();
    const known = this.depth + this.deadDepth;
    if (known > FEW && now - this.#countedAt < (known > MAX_LISTED ? COUNT_MS : 1_000)) return;
    this.#countedAt = now;
    const admitted = this.#admitted;
    this.depth = await this.#countOf(DELIVERY_PREFIX);
    this.#admitted -= admitted;
    this.deadDepth = await this.#countOf(DEAD_PREFIX);
  }

  async #countOf(prefix: KvKey): Promise<number> {
    let count = 0;
    let after: KvKey | undefined;
    for (;;) {
      const options = { limit: MAX_LISTED, ...(after ? { after } : {}) };
      const page = await this.#kv.list({ prefix }, options);
      count += page.length;
      if (page.length < MAX_LISTED || this.#closed.signal.aborted) return count;
      after = page.at(-1)!.key;
    }
  }

  #startPartition(partition: string): void {
    const work = async () => {
      const claim = await this.#claims.take(partition);
      if (!claim) return;
      await new PartitionWorker(partition, claim, this.#worker).run(
        this.#closed.signal,
        this.#abandoned.signal,
      );
      // A job may have arrived between the last look and the release.
      this.notify();
    };
    const done = work().catch((error) => {
      // The store is unavailable: the claim stays until an instance takes it.
      this.#options.onError?.(error);
    }).finally(() => this.#working.delete(partition));
    this.#working.set(partition, done);
  }
}
