/** Waits for a condition instead of sleeping for a fixed time. */

import { PATIENCE_MS } from "./patience.ts";
import { lastOutputs } from "./servers/process.ts";

export interface EventuallyOptions {
  timeoutMs?: number;
  intervalMs?: number;
}

type Truthy<T> = Exclude<T, false | 0 | "" | null | undefined>;

/**
 * Calls `check` until it returns something truthy, and returns that. An exception counts as "not
 * yet". After `timeoutMs` it fails with `what`, the last exception, and the last output lines of
 * every server that the test runs.
 */
export async function eventually<T>(
  what: string,
  check: () => T | Promise<T>,
  { timeoutMs = PATIENCE_MS, intervalMs = 20 }: EventuallyOptions = {},
): Promise<Truthy<T>> {
  const deadline = performance.now() + timeoutMs;
  let cause: unknown;
  while (true) {
    try {
      const value = await check();
      if (value) return value as Truthy<T>;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (performance.now() >= deadline) break;
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
  const why = cause instanceof Error ? `: ${cause.message}` : "";
  throw new Error(`${what}: not within ${timeoutMs} ms${why}${lastOutputs()}`, { cause });
}

/** Rejects with `what` and the servers' last lines if `promise` takes longer than `timeoutMs`. */
export async function within<T>(
  what: string,
  promise: Promise<T>,
  timeoutMs = PATIENCE_MS,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${what}: not within ${timeoutMs} ms${lastOutputs()}`)),
      timeoutMs,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
