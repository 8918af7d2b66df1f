/** What a failed try means for the work: another one, when, and whether it counts. */

import { reasonOf } from "../../telemetry/log.ts";
import { backoffMs } from "../../lib/backoff.ts";
import type { Clock } from "../../lib/clock.ts";
import { DeliveryError } from "./delivery.ts";
import type { JobValue, StoredJob } from "./stored_job.ts";

export interface RetryRules {
  readonly clock: Clock;
  readonly maxAttempts: number;
  /** Age at which work is given up that waits for a service which is away. */
  readonly maxAgeMs: number;
  /** Between the tries of work that counts as failed, and may hold nobody else up. */
  readonly retry: { readonly baseMs: number; readonly maxMs: number };
  /** After that long its partition tries the next job too, to see whether that passes. */
  readonly heldUpMs: number;
  /** The same where the service does not answer: it may have come back meanwhile. */
  readonly silentMs: number;
}

export interface Judgement {
  /** It is given up. */
  readonly isDead: boolean;
  /** It has stood in its partition's way for long, and the service may yet be there. */
  readonly isHeldUp: boolean;
  /** What is kept of the try. */
  readonly change: Partial<JobValue> & Required<Pick<JobValue, "attempts" | "reason">>;
}

/** What became just now of a later job of the same partition. */
export type Other = "passed" | "failed";

/** An alarm goes out that soon after a service is back. */
const AWAY_RETRY_MS = 5_000;
/** Work that fails while others pass holds its partition up for minutes, and not for an hour. */
const OWN_RETRY_MS = 10_000;
const MAX_REASON_CHARS = 500;

/**
 * A try counts unless the service seems to be away: by what it says, or as a later job of the partition
 * failed as well. Work that alone fails for long counts half of its tries at most: with nothing to
 * compare it with, it may be the service.
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
  // What was not even asked for has not failed.
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
    // Twice as long at each try, as it waits for about as long as it has failed.
    const maxMs = Math.min(retry.maxMs, AWAY_RETRY_MS);
    return backoffMs(0, { baseMs: Math.max(retry.baseMs, failingForMs), maxMs, random });
  }
  const maxMs = own ? Math.min(retry.maxMs, OWN_RETRY_MS) : retry.maxMs;
  return backoffMs(Math.max(0, attempts - 1), { ...retry, maxMs, random });
}
