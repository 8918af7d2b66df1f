/** Finds the sessions that want a device. */

import type { Interest } from "./interest.ts";

const NOBODY: ReadonlySet<never> = new Set<never>();

/**
 * An index of subscribers by id, by prefix and of those that want everything. A lookup costs one
 * step for each length that a prefix has, and nothing for those who want other devices.
 */
export class Subscribers<T> {
  readonly #byId = new Map<string, Set<T>>();
  readonly #byPrefix = new Map<string, Set<T>>();
  /** How many prefixes have a length. */
  readonly #lengths = new Map<number, number>();
  readonly #all = new Set<T>();

  add(subscriber: T, interest: Interest): void {
    if (interest.all) this.#all.add(subscriber);
    for (const id of interest.ids) addTo(this.#byId, id, subscriber);
    for (const prefix of interest.prefixes) {
      if (addTo(this.#byPrefix, prefix, subscriber)) {
        this.#lengths.set(prefix.length, (this.#lengths.get(prefix.length) ?? 0) + 1);
      }
    }
  }

  remove(subscriber: T, interest: Interest): void {
    if (interest.all) this.#all.delete(subscriber);
    for (const id of interest.ids) removeFrom(this.#byId, id, subscriber);
    for (const prefix of interest.prefixes) {
      if (!removeFrom(this.#byPrefix, prefix, subscriber)) continue;
      const left = this.#lengths.get(prefix.length)! - 1;
      if (left === 0) this.#lengths.delete(prefix.length);
      else this.#lengths.set(prefix.length, left);
    }
  }

  /** Calls `visit` for each subscriber that wants the device, once. */
  each(deviceId: string, visit: (subscriber: T) => void): void {
    for (const subscriber of this.#byId.get(deviceId) ?? NOBODY) visit(subscriber);
    for (const subscriber of this.#all) visit(subscriber);
    for (const length of this.#lengths.keys()) {
      if (length > deviceId.length) continue;
      for (const subscriber of this.#byPrefix.get(deviceId.slice(0, length)) ?? NOBODY) {
        visit(subscriber);
      }
    }
  }

  /** How many devices somebody asked for: those named, and those of `known` that are matched. */
  countDevices(known: Iterable<string>): number {
    let count = this.#byId.size;
    if (this.#all.size === 0 && this.#lengths.size === 0) return count;
    for (const id of known) {
      if (this.#byId.has(id)) continue;
      const matched = this.#all.size > 0 ||
        this.#lengths.keys().some((length) => this.#byPrefix.has(id.slice(0, length)));
      if (matched) count++;
    }
    return count;
  }
}

/** True where the key is new. */
function addTo<T>(index: Map<string, Set<T>>, key: string, subscriber: T): boolean {
  const set = index.get(key);
  if (set) set.add(subscriber);
  else index.set(key, new Set([subscriber]));
  return set === undefined;
}

/** True where the key is gone. */
function removeFrom<T>(index: Map<string, Set<T>>, key: string, subscriber: T): boolean {
  const set = index.get(key);
  if (!set?.delete(subscriber) || set.size > 0) return false;
  return index.delete(key);
}
