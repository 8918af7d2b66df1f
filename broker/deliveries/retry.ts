/** Decides what follows a failed attempt: whether and when to retry, and whether it counts. */

import { reasonOf } from "../../telemetry/log.ts";
import { backoffMs } from "../../lib/backoff.ts";
import type { Clock } from "../../lib/clock.ts";
import { DeliveryError } from "./delivery.ts";
import type { JobValue, StoredJob } from "./stored_job.ts";

export interface RetryRules {
  readonly clock: Clock;
  readonly maxAttempts: number;
  /** Age at which work for an unavailable service is given up. */
  readonly maxAgeMs: number;
  /** Back-off between attempts that count as failed. */
  readonly retry: { readonly baseMs: number; readonly maxMs: number };
  /** After this time, its partition tries a later job too, to see whether that passes. */
  readonly heldUpMs: number;
  /** The same if the service does not answer: it may have recovered meanwhile. */
  readonly silentMs: number;
}

export interface Judgement {
  /** The work is given up. */
  readonly isDead: boolean;
  /** It has blocked its partition for a long time, and the service may be available. */
  readonly isHeldUp: boolean;
  /** What is stored about the attempt. */
  readonly change: Partial<JobValue> & Required<Pick<JobValue, "attempts" | "reason">>;
}

/** The outcome of a later job of the same partition that was just tried. */
export type Other = "passed" | "failed";

/** An alarm is sent at the latest this long after a service recovers. */
const AWAY_RETRY_MS = 5_000;
/** Limits how long work that fails while others pass blocks its partition: minutes, not an hour. */
const OWN_RETRY_MS = 10_000;
const MAX_REASON_CHARS = 500;

/**
 * An attempt counts unless the service seems unavailable: by its answer, or because a later job of
 * the partition failed too. Even then, work that fails for a long time counts up to half of its
 * attempts, but not more: without a job that passes, the service may be the cause.
 */
export function planRetry(
  { value }: StoredJob,
  error: unknown,
  rules: RetryRules,
  other?: Other,
): Judgement {
  const { maxAttempts, maxAgeMs, clock } = rules;
  const failure = error instanceof DeliveryError ? error : new DeliveryError(reasonOf(error));
  const { permanent, contact } = failure;
  const now = clock.wall();
  const { attempts: before = 0, time = Infinity } = value;
  // If nothing was sent, the work has not failed.
  const failingSince = value.failingSince ?? (contact === "none" ? undefined : now);
  const failingForMs = now - (failingSince ?? now);
  const own = failure.own || other === "passed";
  const away = !own && (failure.away || other === "failed");
  const patience = contact === "silent" ? rules.silentMs : rules.heldUpMs;
  const isHeldUp = contact !== "none" && !permanent && failingForMs >= patience;
  const half = Math.floor(maxAttempts / 2);
  const counted = before + 1;
  const attempts = !away ? counted : isHeldUp ? Math.max(before, Math.min(counted, half)) : before;
  const isSpent = away ? now - time > maxAgeMs : attempts >= maxAttempts;
  return {
    isDead: permanent || isSpent,
    isHeldUp,
    change: {
      ...failure.next,
      attempts,
      failingSince,
      notBefore: now +
        waitMs(failure, { attempts, failingForMs, away, own }, rules),
      reason: failure.message.slice(0, MAX_REASON_CHARS),
    },
  };
}

function waitMs(
  { busy, retryAfterMs }: DeliveryError,
  { attempts, failingForMs, away, own }: {
    readonly attempts: number;
    readonly failingForMs: number;
    readonly away: boolean;
    readonly own: boolean;
  },
  { retry, clock }: RetryRules,
): number {
  if (retryAfterMs !== undefined && (busy || !own)) return retryAfterMs;
  const random = () => clock.random();
  if (away) {
    // Doubles with each attempt, because it waits for about as long as it has been failing.
    const maxMs = Math.min(retry.maxMs, AWAY_RETRY_MS);
    return backoffMs(0, { baseMs: Math.max(retry.baseMs, failingForMs), maxMs, random });
  }
  const maxMs = own ? Math.min(retry.maxMs, OWN_RETRY_MS) : retry.maxMs;
  return backoffMs(Math.max(0, attempts - 1), { ...retry, maxMs, random });
}
