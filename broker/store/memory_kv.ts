/** A store in memory: for a single instance, if nothing has to survive a restart. */

import type { KvClient, KvCommit, KvEntry, KvKey, KvRange } from "./kv_client.ts";

/** Copies no values: a caller must not change a value after setting it. */
export class MemoryKv implements KvClient {
  /** Entries in the order of their keys. */
  #entries: KvEntry[] = [];
  #version = 0;
  readonly #watchers = new Set<() => void>();

  get(key: KvKey): Promise<KvEntry | undefined> {
    const at = this.#find(key);
    const entry = this.#entries[at];
    return Promise.resolve(entry && compareKeys(entry.key, key) === 0 ? entry : undefined);
  }

  list(
    range: KvRange | { readonly prefix: KvKey },
    { limit, reverse = false, after }: { limit: number; reverse?: boolean; after?: KvKey },
  ): Promise<KvEntry[]> {
    // Starts at the first key that can match: a queue is read from its start again and again.
    const first = "prefix" in range ? range.prefix : range.start;
    const from = after && compareKeys(after, first) > 0 ? after : first;
    const page: KvEntry[] = [];
    for (let at = this.#find(from); at < this.#entries.length; at++) {
      const entry = this.#entries[at]!;
      const { key } = entry;
      const inside = "prefix" in range
        ? range.prefix.every((part, i) => key[i] === part)
        : compareKeys(key, range.end) < 0;
      if (!inside || (!reverse && page.length === limit)) break;
      if (after && compareKeys(key, after) <= 0) continue;
      if ("prefix" in range && key.length === range.prefix.length) continue;
      page.push(entry);
    }
    return Promise.resolve((reverse ? page.reverse() : page).slice(0, limit));
  }

  commit(
    { checks, sets, deletes = [] }: KvCommit,
  ): Promise<{ ok: true; versionstamp: string } | { ok: false }> {
    for (const { key, versionstamp } of checks) {
      const entry = this.#entries[this.#find(key)];
      const found = entry && compareKeys(entry.key, key) === 0 ? entry.versionstamp : null;
      if (found !== versionstamp) return Promise.resolve({ ok: false });
    }
    const versionstamp = (++this.#version).toString(16).padStart(20, "0");
    for (const { key, value } of sets) this.#put(key, { key, value, versionstamp });
    for (const key of deletes) this.#put(key, undefined);
    for (const wake of this.#watchers) wake();
    return Promise.resolve({ ok: true, versionstamp });
  }

  async *watch(
    keys: readonly KvKey[],
    signal: AbortSignal,
  ): AsyncGenerator<(KvEntry | undefined)[]> {
    let wake = () => {};
    const wakeUp = () => wake();
    this.#watchers.add(wakeUp);
    signal.addEventListener("abort", wakeUp);
    try {
      while (!signal.aborted) {
        const changed = new Promise<void>((resolve) => wake = resolve);
        yield await Promise.all(keys.map((key) => this.get(key)));
        if (!signal.aborted) await changed;
      }
    } finally {
      this.#watchers.delete(wakeUp);
      signal.removeEventListener("abort", wakeUp);
    }
  }

  close(): void {
    this.#entries = [];
  }

  #put(key: KvKey, entry: KvEntry | undefined): void {
    const at = this.#find(key);
    const found = this.#entries[at];
    const same = found !== undefined && compareKeys(found.key, key) === 0;
    this.#entries.splice(at, same ? 1 : 0, ...(entry ? [entry] : []));
  }

  /** Index of the first entry whose key is not below `key`. */
  #find(key: KvKey): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareKeys(this.#entries[middle]!.key, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/**
 * Text sorts before numbers, as in Deno KV; text sorts by its UTF-8 bytes, that is by code points.
 */
function compareKeys(a: KvKey, b: KvKey): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const order = compareParts(a[i]!, b[i]!);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

function compareParts(a: string | number, b: string | number): number {
  if (typeof a === "number") return typeof b === "number" ? a - b : 1;
  if (typeof b === "number") return -1;
  const [x, y] = [[...a], [...b]];
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    const order = x[i]!.codePointAt(0)! - y[i]!.codePointAt(0)!;
    if (order !== 0) return order;
  }
  return x.length - y.length;
}
