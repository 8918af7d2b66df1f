/** Work that is done once, whichever instance does it: in order in a lane, lanes in parallel. */

import { type Clock, SYSTEM_CLOCK } from "../clock.ts";
import { Doorbell } from "../doorbell.ts";
import type { KvClient } from "../kv_client.ts";
import type { DeliveryHandler, DeliveryInfo } from "./delivery.ts";
import { LaneClaims } from "./lane_claim.ts";
import { LaneWorker, type LaneWorkerOptions } from "./lane_worker.ts";
import { DEAD_PREFIX, DELIVERY_PREFIX, parseDeliveryId, StoredJob } from "./stored_job.ts";

export interface DeliveryQueueOptions {
  /** Names this instance in claims. */
  readonly instance: string;
  readonly handler: DeliveryHandler;
  readonly onRetry?: (info: DeliveryInfo, reason: string) => void;
  readonly onDead?: (info: DeliveryInfo, reason: string) => void;
  readonly maxAttempts?: number;
  readonly retry?: { readonly baseMs: number; readonly maxMs: number };
  /** How often lanes are looked for where nothing rang. */
  readonly pollMs?: number;
  readonly claimMs?: number;
  readonly clock?: Clock;
}

export interface DeliveryTotals {
  done: number;
  retried: number;
  dead: number;
}

const MAX_LANES = 32;
const MAX_LISTED = 1_000;

/**
 * Jobs come into the store in the commit of the messages that caused them. A lane belongs to the
 * instance that claimed it; where that falls silent, another goes on with its first job.
 */
export class DeliveryQueue implements AsyncDisposable {
  readonly totals: DeliveryTotals = { done: 0, retried: 0, dead: 0 };
  /** Jobs that wait, as of the last look; at most {@linkcode MAX_LISTED} are counted. */
  depth = 0;
  /** Age of the oldest that waits, in ms, as of the last look. */
  oldestMs = 0;
  readonly #kv: KvClient;
  readonly #options: DeliveryQueueOptions;
  readonly #clock: Clock;
  readonly #claims: LaneClaims;
  readonly #worker: LaneWorkerOptions;
  readonly #working = new Map<string, Promise<void>>();
  readonly #bell = new Doorbell();
  readonly #closed = new AbortController();
  #run: Promise<unknown> = Promise.resolve();

  constructor(kv: KvClient, options: DeliveryQueueOptions) {
    const { claimMs = 10_000, clock = SYSTEM_CLOCK, onRetry, onDead } = options;
    this.#kv = kv;
    this.#options = options;
    this.#clock = clock;
    this.#claims = new LaneClaims(kv, options.instance, { claimMs, clock });
    this.#worker = {
      kv,
      clock,
      handler: options.handler,
      maxAttempts: options.maxAttempts ?? 20,
      retry: options.retry ?? { baseMs: 1_000, maxMs: 300_000 },
      renewMs: claimMs / 3,
      onDone: () => this.totals.done++,
      onRetry: (job, reason) => {
        this.totals.retried++;
        onRetry?.(job.info("waiting"), reason);
      },
      onDead: (job, reason) => {
        this.totals.dead++;
        onDead?.(job.info("dead"), reason);
      },
    };
  }

  start(): void {
    this.#run = Promise.all([this.#lookForLanes(), this.#poll()]);
  }

  /** Something was stored that has to be done. */
  ring(): void {
    this.#bell.ring();
  }

  async list(state: DeliveryInfo["state"]): Promise<DeliveryInfo[]> {
    const prefix = state === "dead" ? DEAD_PREFIX : DELIVERY_PREFIX;
    const entries = await this.#kv.list({ prefix }, { limit: MAX_LISTED });
    return entries.map((entry) => new StoredJob(entry).info(state));
  }

  /** Puts a dead delivery back to its place in its lane; false where there is none of that id. */
  async retry(id: string): Promise<boolean> {
    const place = parseDeliveryId(id);
    if (!place) return false;
    const entry = await this.#kv.get([...DEAD_PREFIX, place.lane, place.offset]);
    if (!entry) return false;
    const job = new StoredJob(entry);
    const result = await this.#kv.commit({
      checks: [job.check],
      sets: [{
        key: [...DELIVERY_PREFIX, place.lane, place.offset],
        value: job.with({ attempts: 0, notBefore: 0 }),
      }],
      deletes: [entry.key],
    });
    this.ring();
    return result.ok;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    this.#bell.ring();
    await this.#run;
    await Promise.allSettled(this.#working.values());
  }

  async #poll(): Promise<void> {
    const { signal } = this.#closed;
    while (!signal.aborted) {
      await this.#clock.sleep(this.#options.pollMs ?? 1_000, signal);
      this.#bell.ring();
    }
  }

  async #lookForLanes(): Promise<void> {
    const { signal } = this.#closed;
    while (!signal.aborted) {
      try {
        await this.#startLanes();
      } catch {
        // The store is away; the fanout says so, and the next look comes with the poll.
      }
      await this.#bell.wait();
    }
  }

  /** Finds the lanes by their first jobs, each with one look behind the lane before. */
  async #startLanes(): Promise<void> {
    let oldest = Infinity;
    let after: readonly (string | number)[] | undefined;
    while (!this.#closed.signal.aborted) {
      const [entry] = await this.#kv.list(
        { prefix: DELIVERY_PREFIX },
        { limit: 1, ...(after ? { after } : {}) },
      );
      if (!entry) break;
      const { lane, value } = new StoredJob(entry);
      oldest = Math.min(oldest, value.time ?? Infinity);
      after = [...DELIVERY_PREFIX, lane, Number.MAX_VALUE];
      if (!this.#working.has(lane) && this.#working.size < MAX_LANES) this.#startLane(lane);
    }
    this.oldestMs = oldest === Infinity ? 0 : Math.max(0, this.#clock.wall() - oldest);
    this.depth = (await this.#kv.list({ prefix: DELIVERY_PREFIX }, { limit: MAX_LISTED })).length;
  }

  #startLane(lane: string): void {
    const work = async () => {
      const claim = await this.#claims.take(lane);
      if (!claim) return;
      await new LaneWorker(lane, claim, this.#worker).run(this.#closed.signal);
      // A job may have come between the last look and the release.
      this.ring();
    };
    const done = work().catch(() => {
      // The store is away: the claim stays, and is renewed or taken by whoever comes first.
    }).finally(() => this.#working.delete(lane));
    this.#working.set(lane, done);
  }
}
