/** Works through one lane: its jobs one after another, in the order of their messages. */

import { backoffMs, type Clock } from "../clock.ts";
import type { KvClient } from "../kv_client.ts";
import { DeliveryError, type DeliveryHandler } from "./delivery.ts";
import type { LaneClaim } from "./lane_claim.ts";
import { DEAD_PREFIX, DELIVERY_PREFIX, StoredJob } from "./stored_job.ts";

export interface LaneWorkerOptions {
  readonly kv: KvClient;
  readonly handler: DeliveryHandler;
  readonly clock: Clock;
  readonly maxAttempts: number;
  readonly retry: { readonly baseMs: number; readonly maxMs: number };
  /** How often the claim is renewed. */
  readonly renewMs: number;
  readonly onDone: () => void;
  readonly onRetry: (job: StoredJob, reason: string) => void;
  readonly onDead: (job: StoredJob, reason: string) => void;
}

/** Runs until the lane is empty, the claim is lost, or the signal aborts. */
export class LaneWorker {
  constructor(
    private readonly lane: string,
    private readonly claim: LaneClaim,
    private readonly options: LaneWorkerOptions,
  ) {}

  async run(signal: AbortSignal): Promise<void> {
    const { claim } = this;
    while (!signal.aborted && !claim.lost) {
      const job = await this.#first();
      if (!job) break;
      const wait = (job.value.notBefore ?? 0) - this.options.clock.wall();
      if (wait > 0) await this.#wait(wait, signal);
      else await this.#work(job, signal);
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

  /** Waits a part of the time at most, then looks again: an operator may have changed the job. */
  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    await this.options.clock.sleep(Math.min(ms, this.options.renewMs), signal);
    if (!signal.aborted) await this.claim.renew();
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
    const { clock, maxAttempts, retry, onRetry, onDead } = this.options;
    const reason = error instanceof Error ? error.message : String(error);
    const attempts = (job.value.attempts ?? 0) + 1;
    const permanent = error instanceof DeliveryError && error.permanent;
    if (permanent || attempts >= maxAttempts) {
      if (await this.#bury(job, job.with({ attempts, reason }))) onDead(job, reason);
      return;
    }
    const asked = error instanceof DeliveryError ? error.retryAfterMs : undefined;
    const wait = asked ?? backoffMs(attempts - 1, { ...retry, random: clock.random });
    const notBefore = clock.wall() + wait;
    if (await this.#change(job, job.with({ attempts, notBefore, reason }))) onRetry(job, reason);
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
      sets: [{ key: [...DEAD_PREFIX, job.lane, job.offset], value }],
      deletes: [key],
    });
    return result.ok;
  }
}
