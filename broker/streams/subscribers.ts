/** Finds the sessions that want a device. */

import type { Interest } from "../messages/interest.ts";

/** One subscriber, or several: most devices have one, and a set takes 230 bytes. */
type Few<T> = T | Set<T>;

/**
 * Indexes subscribers by id and by prefix, and those that want everything. A lookup costs one step
 * for each distinct prefix length, and nothing for subscribers of other devices.
 */
export class Subscribers<T extends object | string> {
  readonly #byId = new Map<string, Few<T>>();
  readonly #byPrefix = new Map<string, Few<T>>();
  /** Number of prefixes by their length. */
  readonly #lengths = new Map<number, number>();
  readonly #all = new Set<T>();
  /** Incremented with each change. */
  changes = 0;

  add(subscriber: T, interest: Interest): void {
    this.changes++;
    if (interest.all) this.#all.add(subscriber);
    for (const id of interest.ids) addTo(this.#byId, id, subscriber);
    for (const prefix of interest.prefixes) {
      if (addTo(this.#byPrefix, prefix, subscriber)) {
        this.#lengths.set(prefix.length, (this.#lengths.get(prefix.length) ?? 0) + 1);
      }
    }
  }

  remove(subscriber: T, interest: Interest): void {
    this.changes++;
    if (interest.all) this.#all.delete(subscriber);
    for (const id of interest.ids) removeFrom(this.#byId, id, subscriber);
    for (const prefix of interest.prefixes) {
      if (!removeFrom(this.#byPrefix, prefix, subscriber)) continue;
      const left = this.#lengths.get(prefix.length)! - 1;
      if (left === 0) this.#lengths.delete(prefix.length);
      else this.#lengths.set(prefix.length, left);
    }
  }

  /** Calls `visit` once for each subscriber that wants the device. */
  each(deviceId: string, visit: (subscriber: T) => void): void {
    eachOf(this.#byId.get(deviceId), visit);
    for (const subscriber of this.#all) visit(subscriber);
    for (const length of this.#lengths.keys()) {
      if (length > deviceId.length) continue;
      eachOf(this.#byPrefix.get(deviceId.slice(0, length)), visit);
    }
  }

  /** Number of ids that subscribers name. */
  get named(): number {
    return this.#byId.size;
  }

  /** Whether anybody wants devices without naming them. */
  get wantsOthers(): boolean {
    return this.#all.size > 0 || this.#lengths.size > 0;
  }

  /** Whether a subscriber wants the device, but none names it. */
  wantsUnnamed(deviceId: string): boolean {
    if (this.#byId.has(deviceId)) return false;
    if (this.#all.size > 0) return true;
    for (const length of this.#lengths.keys()) {
      if (this.#byPrefix.has(deviceId.slice(0, length))) return true;
    }
    return false;
  }
}

function eachOf<T extends object | string>(
  few: Few<T> | undefined,
  visit: (subscriber: T) => void,
): void {
  if (few instanceof Set) { for (const subscriber of few) visit(subscriber); }
  else if (few !== undefined) visit(few);
}

/** True if the key is new. */
function addTo<T extends object | string>(
  index: Map<string, Few<T>>,
  key: string,
  subscriber: T,
): boolean {
  const few = index.get(key);
  if (few instanceof Set) few.add(subscriber);
  else {index.set(
      key,
      few !== undefined && few !== subscriber ? new Set([few, subscriber]) : subscriber,
    );}
  return few === undefined;
}

/** True if the key is gone. */
function removeFrom<T extends object | string>(
  index: Map<string, Few<T>>,
  key: string,
  subscriber: T,
): boolean {
  const few = index.get(key);
  const isLast = few instanceof Set
    ? few.delete(subscriber) && few.size === 0
    : few === subscriber && few !== undefined;
  return isLast && index.delete(key);
}
