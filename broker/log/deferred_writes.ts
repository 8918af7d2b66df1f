/**
 * Entries that memory does not take while the store is unavailable: jobs, and what follows them.
 */

import type { Waiting } from "./log_append.ts";
import type { Entry } from "../messages/message.ts";

/**
 * An entry with a job must be stored before it is acknowledged. Later messages of its device wait
 * with it; otherwise they would overtake it. Bounded by what sources have in flight.
 */
export class DeferredWrites {
  readonly #waiting: Waiting[] = [];
  readonly #devices = new Set<string>();

  /** Keeps what must wait, and returns the rest. */
  sort(waiting: readonly Waiting[]): Waiting[] {
    const free: Waiting[] = [];
    for (const each of waiting) {
      const rest = each.entries.slice(each.taken);
      const held = rest.filter((entry) => this.#mustWait(entry));
      if (held.length === 0) {
        free.push(each);
        continue;
      }
      const isHeld = new Set(held);
      const [waits, goes] = parted(each, held, rest.filter((entry) => !isHeld.has(entry)));
      this.#waiting.push(waits);
      if (goes.entries.length > 0) free.push(goes);
    }
    return free;
  }

  /** Returns what has waited, and the number of waiting entries that are already `stored`. */
  release(stored: readonly Entry[] = []): { waiting: Waiting[]; storedCount: number } {
    const isStored = new Set(stored);
    const waiting: Waiting[] = [];
    let storedCount = 0;
    for (const each of this.#waiting.splice(0)) {
      const entries = each.entries.filter((entry) => !isStored.has(entry));
      storedCount += each.entries.length - entries.length;
      if (entries.length > 0) waiting.push({ ...each, entries });
      else each.resolve();
    }
    this.#devices.clear();
    return { waiting, storedCount };
  }

  #mustWait({ job, deviceId }: Entry): boolean {
    if (job) this.#devices.add(deviceId);
    return job !== undefined || this.#devices.has(deviceId);
  }
}

/** Splits a publish into two parts; it resolves when both have resolved. */
function parted(
  { leased, since, resolve, reject }: Waiting,
  one: readonly Entry[],
  two: readonly Entry[],
): [Waiting, Waiting] {
  let left = [one, two].filter(({ length }) => length > 0).length;
  const done = () => {
    if (--left === 0) resolve();
  };
  const part = (entries: readonly Entry[]) => ({
    entries,
    leased,
    since,
    taken: 0,
    resolve: done,
    reject,
  });
  return [part(one), part(two)];
}
