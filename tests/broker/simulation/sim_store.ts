/** A key-value store in memory that behaves like Deno KV: order, versionstamps, checks, limits. */

import type { KvCommit, KvEntry, KvKey, KvRange } from "../../../broker/store/kv_client.ts";

export type StoreCopy = ReadonlyMap<string, KvEntry>;

const MAX_VALUE_BYTES = 65_536;
const MAX_COMMIT_BYTES = 819_200;
const MAX_CHANGES = 1_000;
const MAX_CHECKS = 100;
const MAX_PAGE = 1_000;

export class SimStore {
  #entries = new Map<string, KvEntry>();
  #order: string[] = [];
  #version = 0;
  /** Called before a commit is applied. */
  onCommit: (commit: KvCommit) => void = () => {};
  readonly onChange = new Set<(changed: ReadonlySet<string>) => void>();

  get size(): number {
    return this.#entries.size;
  }

  get(key: KvKey): KvEntry | undefined {
    return this.#entries.get(pack(key));
  }

  list(
    range: KvRange | { readonly prefix: KvKey },
    { limit, reverse = false, after }: { limit: number; reverse?: boolean; after?: KvKey },
  ): KvEntry[] {
    if (limit > MAX_PAGE) throw new TypeError("Too many entries in a page");
    let start: string;
    let end: string;
    if ("prefix" in range) {
      start = pack(range.prefix);
      end = `${start}\uffff`;
    } else {
      start = pack(range.start);
      end = pack(range.end);
      if (start > end) throw new TypeError("Start key is greater than end key");
    }
    if (after) start = `${pack(after)}\0`;
    const [from, to] = [this.#indexOf(start), this.#indexOf(end)];
    const keys = reverse
      ? this.#order.slice(Math.max(from, to - limit), to).reverse()
      : this.#order.slice(from, Math.min(to, from + limit));
    return keys.map((key) => this.#entries.get(key)!);
  }

  commit(commit: KvCommit): { ok: true; versionstamp: string } | { ok: false } {
    const { checks, sets, deletes = [] } = commit;
    checkLimits(commit);
    for (const { key, versionstamp } of checks) {
      if ((this.get(key)?.versionstamp ?? null) !== versionstamp) return { ok: false };
    }
    this.onCommit(commit);
    const versionstamp = (++this.#version).toString(16).padStart(20, "0");
    const changed = new Set<string>();
    for (const key of deletes) {
      const packed = pack(key);
      changed.add(packed);
      if (this.#entries.delete(packed)) this.#order.splice(this.#indexOf(packed), 1);
    }
    for (const { key, value } of sets) {
      const packed = pack(key);
      changed.add(packed);
      if (!this.#entries.has(packed)) this.#order.splice(this.#indexOf(packed), 0, packed);
      this.#entries.set(packed, { key, value, versionstamp });
    }
    for (const listener of this.onChange) listener(changed);
    return { ok: true, versionstamp };
  }

  copy(): StoreCopy {
    return new Map(this.#entries);
  }

  /** Replaces this database by another one. */
  replace(copy: StoreCopy): void {
    const changed = new Set([...this.#entries.keys(), ...copy.keys()]);
    this.#entries = new Map(copy);
    this.#order = [...copy.keys()].sort();
    for (const listener of this.onChange) listener(changed);
  }

  #indexOf(packed: string): number {
    let [low, high] = [0, this.#order.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#order[middle]! < packed) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Text that sorts like the key: strings before numbers, part by part. */
export function pack(key: KvKey): string {
  let packed = "";
  for (const part of key) {
    packed += typeof part === "string" ? `s${part}\0` : `t${part.toString().padStart(16, "0")}\0`;
  }
  return packed;
}

function checkLimits({ checks, sets, deletes = [] }: KvCommit): void {
  const bytes = sets.reduce((sum, { value }) => sum + value.length, 0);
  if (
    checks.length > MAX_CHECKS || sets.length + deletes.length > MAX_CHANGES ||
    bytes > MAX_COMMIT_BYTES || sets.some(({ value }) => value.length > MAX_VALUE_BYTES)
  ) throw new TypeError("The commit is too large");
}
