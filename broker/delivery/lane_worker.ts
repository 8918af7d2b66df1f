/** Works through one lane: its jobs one after another, in the order of their messages. */

import { backoffMs, type Clock } from "../clock.ts";
import type { KvClient } from "../kv_client.ts";
import { DeliveryError, type DeliveryHandler, type DeliveryInfo } from "./delivery.ts";
import type { LaneClaim } from "./lane_claim.ts";
import { DEAD_PREFIX, DELIVERY_PREFIX, StoredJob } from "./stored_job.ts";

export interface LaneWorkerOptions {
  readonly kv: KvClient;
  readonly handler: DeliveryHandler;
  readonly clock: Clock;
  readonly maxAttempts: number;
  /** Age at which work is given up that waits for a service which is away. */
  readonly maxAgeMs: number;
  readonly retry: { readonly baseMs: number; readonly maxMs: number };
  /** How often the claim is renewed. */
  readonly renewMs: number;
  readonly onDone: () => void;
  /** This try counts among the attempts, here and below. */
  readonly onRetry: (info: DeliveryInfo) => void;
  readonly onDead: (info: DeliveryInfo) => void;
  /** Asked for each job that failed for good: false where too many are kept already. */
  readonly keepDead: () => boolean;
}

const MAX_REASON_CHARS = 500;

/** Runs until no job of the lane is due, the claim is lost, or it is to stop. */
export class LaneWorker {
  constructor(
    private readonly lane: string,
    private readonly claim: LaneClaim,
    private readonly options: LaneWorkerOptions,
  ) {}

  /** `stop` lets the job end that is under way; `abandon` does not. */
  async run(stop: AbortSignal, abandon: AbortSignal): Promise<void> {
    const { claim } = this;
    while (!stop.aborted && !claim.lost) {
      const job = await this.#first();
      if (!job || !job.isDue(this.options.clock.wall())) break;
      await this.#work(job, abandon);
    }
    await claim.release();
  }

  async #first(): Promise<StoredJob | undefined> {
    const [entry] = await this.options.kv.list(
      { prefix: [...DELIVERY_PREFIX, this.lane] },
      { limit: 1 },
    );
    return entry && new StoredJob(entry);
  }

  async #work(job: StoredJob, signal: AbortSignal): Promise<void> {
    const { handler, onDone } = this.options;
    const working = new AbortController();
    const stop = () => working.abort();
    signal.addEventListener("abort", stop);
    const renewing = this.#keepClaim(working);
    let outcome: { next: Awaited<ReturnType<DeliveryHandler>> } | { error: unknown };
    try {
      outcome = { next: await handler(job.delivery, working.signal) };
    } catch (error) {
      outcome = { error };
    } finally {
      signal.removeEventListener("abort", stop);
      working.abort();
      await renewing;
    }
    if (this.claim.lost) return;
    if ("error" in outcome) {
      // Stopped in the middle: it is done again by whoever takes the lane.
      if (!signal.aborted) await this.#failed(job, outcome.error);
      return;
    }
    const done = await this.#change(
      job,
      outcome.next && job.with({ ...outcome.next, attempts: 0 }),
    );
    if (done && !outcome.next) onDone();
  }

  async #keepClaim({ signal }: AbortController): Promise<void> {
    const { clock, renewMs } = this.options;
    for (;;) {
      await clock.sleep(renewMs, signal);
      if (signal.aborted) return;
      // A renewal that fails for now is tried again; the work goes on, and its end checks the claim.
      await this.claim.renew().catch(() => {});
    }
  }

  async #failed(job: StoredJob, error: unknown): Promise<void> {
    const { clock, maxAttempts, maxAgeMs, retry, onRetry, onDead } = this.options;
    const text = error instanceof Error ? error.message : String(error);
    const reason = text.slice(0, MAX_REASON_CHARS);
    const { permanent = false, away = false, retryAfterMs } = error instanceof DeliveryError
      ? error
      : {};
    const attempts = (job.value.attempts ?? 0) + (away ? 0 : 1);
    const isTooOld = clock.wall() - (job.value.time ?? Infinity) > maxAgeMs;
    if (permanent || attempts >= maxAttempts || (away && isTooOld)) {
      const buried = await this.#bury(job, job.with({ attempts, reason }));
      if (buried) onDead({ ...job.info("dead"), attempts, reason });
      return;
    }
    const tries = Math.max(0, attempts - 1);
    const wait = retryAfterMs ?? backoffMs(tries, { ...retry, random: () => clock.random() });
    const notBefore = clock.wall() + wait;
    const changed = await this.#change(job, job.with({ attempts, notBefore, reason }));
    if (changed) onRetry({ ...job.info("waiting"), attempts, reason });
  }

  /** Replaces the job, or removes it where there is no value; false where the claim is lost. */
  async #change(job: StoredJob, value: Uint8Array | undefined): Promise<boolean> {
    const { key } = job.entry;
    const result = await this.options.kv.commit({
      checks: [job.check, this.claim.check],
      sets: value ? [{ key, value }] : [],
      deletes: value ? [] : [key],
    });
    // Another holds the lane, or an operator took the job away: look again.
    return result.ok;
  }

  async #bury(job: StoredJob, value: Uint8Array): Promise<boolean> {
    const { key } = job.entry;
    const result = await this.options.kv.commit({
      checks: [job.check, this.claim.check],
      sets: this.options.keepDead() ? [{ key: [...DEAD_PREFIX, job.lane, job.offset], value }] : [],
      deletes: [key],
    });
    return result.ok;
  }
}
