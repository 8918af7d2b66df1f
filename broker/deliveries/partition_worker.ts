/** Works through one partition: its jobs one after another, in the order of their messages. */

import type { Clock } from "../../lib/clock.ts";
import type { KvClient, KvCommit, KvKey } from "../store/kv_client.ts";
import { DeliveryError, type DeliveryHandler, type DeliveryInfo } from "./delivery.ts";
import type { PartitionClaim } from "./partition_claim.ts";
import { type Other, planRetry, type RetryRules } from "./retry.ts";
import { DEAD_PREFIX, DELIVERY_PREFIX, StoredJob } from "./stored_job.ts";

export interface PartitionWorkerOptions extends RetryRules {
  readonly kv: KvClient;
  readonly handler: DeliveryHandler;
  readonly clock: Clock;
  /** How often the claim is renewed. */
  readonly renewMs: number;
  readonly onDone: () => void;
  readonly onRetry: (info: DeliveryInfo) => void;
  /** A job failed for good; `kept` is false if it is not listed, because too many are. */
  readonly onDead: (info: DeliveryInfo, kept: boolean) => void;
  /** The handler failed because of a bug in it. */
  readonly onFault?: ((info: DeliveryInfo, error: unknown) => void) | undefined;
  /** Called for each job that failed for good: false if too many are kept already. */
  readonly keepsDead: () => boolean;
}

/** How many jobs of a blocked partition are searched for one that may pass. */
const MAX_LOOK_AHEAD = 20;

type Outcome = { readonly next: Awaited<ReturnType<DeliveryHandler>> } | {
  readonly error: unknown;
};

/** Runs until no job of the partition is due, the claim is lost, or it is told to stop. */
export class PartitionWorker {
  constructor(
    private readonly partition: string,
    private readonly claim: PartitionClaim,
    private readonly options: PartitionWorkerOptions,
  ) {}

  /** `stop` lets the current job finish; `abandon` does not. */
  async run(stop: AbortSignal, abandon: AbortSignal): Promise<void> {
    const { claim } = this;
    while (!stop.aborted && !claim.lost) {
      const job = await this.#first();
      if (!job || !this.#isDue(job)) break;
      await this.#work(job, stop, abandon);
    }
    await claim.release();
  }

  async #first(): Promise<StoredJob | undefined> {
    const [job] = await this.#jobs({ limit: 1 });
    return job;
  }

  async #jobs(options: { limit: number; after?: KvKey }): Promise<StoredJob[]> {
    const prefix = [...DELIVERY_PREFIX, this.partition];
    return (await this.options.kv.list({ prefix }, options)).map((entry) => new StoredJob(entry));
  }

  #isDue(job: StoredJob): boolean {
    return job.isDue(this.options.clock.wall());
  }

  async #work(job: StoredJob, stop: AbortSignal, abandon: AbortSignal): Promise<void> {
    const outcome = await this.#try(job, abandon);
    if (!outcome) return;
    if (!("error" in outcome)) return await this.#passed(job, outcome);
    const { isHeldUp } = planRetry(job, outcome.error, this.options);
    const other = isHeldUp && !stop.aborted ? await this.#tryOther(job, abandon) : undefined;
    if (!this.claim.lost) await this.#failed(job, outcome.error, other);
  }

  /**
   * `job` has blocked the partition for a long time. If a later job passes, the service is
   * available, and `job` itself is at fault. Tries one that has not failed yet, if there is any.
   */
  async #tryOther(job: StoredJob, abandon: AbortSignal): Promise<Other | undefined> {
    const later = await this.#jobs({ limit: MAX_LOOK_AHEAD, after: job.entry.key });
    const other = later.find(({ value }) => value.failingSince === undefined) ?? later[0];
    if (!other || !this.#isDue(other)) return undefined;
    const outcome = await this.#try(other, abandon);
    if (!outcome) return undefined;
    if (!("error" in outcome)) await this.#passed(other, outcome);
    // The service was not called: the job stays next in line, and the order is kept.
    else if (isUnasked(outcome.error)) return undefined;
    else await this.#failed(other, outcome.error, "failed");
    return "error" in outcome ? "failed" : "passed";
  }

  /** Undefined if the outcome must not be stored: the claim is lost, or the job was cut off. */
  async #try(job: StoredJob, abandon: AbortSignal): Promise<Outcome | undefined> {
    const working = new AbortController();
    const stop = () => working.abort();
    abandon.addEventListener("abort", stop);
    const renewing = this.#keepClaim(working);
    let outcome: Outcome;
    try {
      outcome = { next: await this.options.handler(job.delivery, working.signal) };
    } catch (error) {
      outcome = { error };
    } finally {
      abandon.removeEventListener("abort", stop);
      working.abort();
      await renewing;
    }
    // Stopped in the middle: the next holder of the partition does it again.
    if (this.claim.lost || ("error" in outcome && abandon.aborted)) return undefined;
    return outcome;
  }

  async #keepClaim({ signal }: AbortController): Promise<void> {
    const { clock, renewMs } = this.options;
    for (;;) {
      await clock.sleep(renewMs, signal);
      if (signal.aborted) return;
      // A failed renewal is retried; the work continues, and its commit checks the claim.
      await this.claim.renew().catch(() => {});
    }
  }

  async #passed(job: StoredJob, { next }: { next?: { kind: string; data: unknown } | undefined }) {
    const { key } = job.entry;
    const value = next && job.with({ ...next, attempts: 0, failingSince: undefined });
    const done = await this.#commit(job, value ? { sets: [{ key, value }] } : { deletes: [key] });
    if (done && !next) this.options.onDone();
  }

  async #failed(job: StoredJob, error: unknown, other: Other | undefined): Promise<void> {
    const { onRetry, onDead, onFault, keepsDead } = this.options;
    const { key } = job.entry;
    const { isDead, change } = planRetry(job, error, this.options, other);
    const info = (state: DeliveryInfo["state"]) => ({ ...job.info(state), ...told(change) });
    if (!(error instanceof DeliveryError)) onFault?.(info("waiting"), error);
    if (!isDead) {
      const sets = [{ key, value: job.with(change) }];
      if (await this.#commit(job, { sets })) onRetry(info("waiting"));
      return;
    }
    const kept = keepsDead();
    const value = job.with(change);
    const sets = kept ? [{ key: [...DEAD_PREFIX, job.partition, job.offset], value }] : [];
    if (await this.#commit(job, { sets, deletes: [key] })) onDead(info("dead"), kept);
  }

  /** Whether the change was made, as far as the store tells; @throws if it is unavailable. */
  async #commit(job: StoredJob, change: Partial<KvCommit>): Promise<boolean> {
    const { kv } = this.options;
    const checks = [job.check, this.claim.check];
    try {
      const result = await kv.commit({ sets: [], ...change, checks });
      if (result.ok) return true;
      // Another holds the partition, an operator removed the job, or the KV client tried twice.
      return await this.#isChanged(job);
    } catch (error) {
      // The answer was lost. If the change is there, it is ours, because it checked the claim.
      if (await this.#isChanged(job)) return true;
      throw error;
    }
  }

  /** Whether the job has changed while the partition is still ours. */
  async #isChanged({ check, entry }: StoredJob): Promise<boolean> {
    const { kv } = this.options;
    const [job, claim] = await Promise.all([kv.get(entry.key), kv.get(this.claim.check.key)]);
    return job?.versionstamp !== check.versionstamp &&
      claim?.versionstamp === this.claim.check.versionstamp;
  }
}

function told({ attempts, reason }: { attempts: number; reason: string }) {
  return { attempts, reason };
}

function isUnasked(error: unknown): boolean {
  return error instanceof DeliveryError && error.contact === "none";
}
