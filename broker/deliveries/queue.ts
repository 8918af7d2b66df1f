/** Work that is done once, whichever instance does it: in order in a partition, partitions in parallel. */

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
  /** `kept` is false where it is not listed, as too many are. */
  readonly onDead?: (info: DeliveryInfo, kept: boolean) => void;
  /** The handler failed in a way that is a mistake in it, and is called again. */
  readonly onFault?: (info: DeliveryInfo, error: unknown) => void;
  /** What keeps this instance from its work: a {@linkcode StoreFailure}, or a mistake of ours. */
  readonly onError?: (error: unknown) => void;
  readonly maxAttempts?: number;
  /** Age at which work is given up that waits for a service which is away; a day unless given. */
  readonly maxAgeMs?: number;
  readonly retry?: { readonly baseMs: number; readonly maxMs: number };
  /** After that long a failing job's partition tries the next one too; a minute unless given. */
  readonly heldUpMs?: number;
  /** The same where the service does not answer at all; ten minutes unless given. */
  readonly silentMs?: number;
  /** Jobs that may wait; more are refused. */
  readonly maxWaiting?: number;
  /** Jobs that failed for good and are kept; more are let go. */
  readonly maxDead?: number;
  /** How often partitions are looked for where nothing rang. */
  readonly pollMs?: number;
  readonly claimMs?: number;
  /** What calls that are under way get to end, when the queue is closed. */
  readonly graceMs?: number;
  readonly clock?: Clock;
}

export interface DeliveryTotals {
  done: number;
  retried: number;
  dead: number;
  /** Refused, as too much waited. */
  refused: number;
  /** Failed for good and not kept, as too many were. */
  lost: number;
}

const MAX_PARTITIONS = 32;
const MAX_LISTED = 1_000;
const MAX_PAGE = 64;
/** So many are counted at every look, more of them once a second. */
const FEW = 50;
/** Where more than {@linkcode MAX_LISTED} wait they are counted no more often than this. */
const COUNT_MS = 10_000;
const GRACE_MS = 2_000;
const HELD_UP_MS = 60_000;
const SILENT_MS = 600_000;
const DAY_MS = 86_400_000;

/**
 * Jobs come into the store in the commit of the messages that caused them. A partition belongs to the
 * instance that claimed it; where that falls silent, another goes on with its first job. A partition
 * whose first job waits for its next try belongs to nobody.
 */
export class DeliveryQueue implements AsyncDisposable {
  readonly totals: DeliveryTotals = { done: 0, retried: 0, dead: 0, refused: 0, lost: 0 };
  /** Jobs that wait, on all instances together, as of the last count. */
  depth = 0;
  /** Jobs that failed for good, as of the last count. */
  deadDepth = 0;
  /** Age of the oldest that waits, in ms, as of the last look. */
  oldestMs = 0;
  readonly #kv: KvClient;
  readonly #options: DeliveryQueueOptions;
  readonly #clock: Clock;
  readonly #claims: PartitionClaims;
  readonly #worker: PartitionWorkerOptions;
  readonly #working = new Map<string, Promise<void>>();
  readonly #notifier = new Notifier();
  readonly #closed = new AbortController();
  /** Aborts after {@linkcode DeliveryQueueOptions.graceMs}: what is under way is left to others. */
  readonly #abandoned = new AbortController();
  #alarm = new AbortController();
  /** Jobs that were let in since the last count. */
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

  /** Something was stored that has to be done. */
  notify(): void {
    this.#notifier.notify();
  }

  /** Asked before a job is stored: false, and counted, where as many wait as may. */
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

  /** Puts a dead delivery back to its place in its partition; false where there is none of that id. */
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
    // Cut off in its middle a call would be made again, by whoever takes the partition.
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
        // The store is away; the fanout says so, and the next look comes with the poll.
        this.#options.onError?.(error);
      }
      await this.#notifier.wait();
    }
  }

  /** Starts on each partition whose first job is due, and sets the alarm for the first that will be. */
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
    // Partitions of one job come many at a time; of a long partition not more than its first is read.
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
      // A job may have come between the last look and the release.
      this.notify();
    };
    const done = work().catch((error) => {
      // The store is away: the claim stays, and is renewed or taken by whoever comes first.
      this.#options.onError?.(error);
    }).finally(() => this.#working.delete(partition));
    this.#working.set(partition, done);
  }
}
