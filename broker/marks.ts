/** How far upstream partitions are read: what stands at or below its mark is a repeat. */

import type { KvClient } from "./kv_client.ts";
import { markKey } from "./kv_keys.ts";
import { decodeJson } from "./log_head.ts";
import type { Entry, Mark } from "./message.ts";

/** Marks as they are stored; without a store, as they were published. */
export class Marks {
  readonly #known = new Map<string, number>();

  constructor(private readonly kv?: KvClient) {}

  /** Reads the marks that the entries are judged by. */
  async load(entries: Iterable<Entry>): Promise<void> {
    for (const { mark } of entries) {
      if (!mark || this.#known.has(nameOf(mark))) continue;
      const stored = await this.kv?.get(markKey(mark.key));
      this.#known.set(nameOf(mark), stored ? decodeJson(stored.value) as number : -1);
    }
  }

  isRepeat({ mark }: Entry): boolean {
    return mark !== undefined && mark.offset <= (this.#known.get(nameOf(mark)) ?? -1);
  }

  /** The entries are stored, with their marks. */
  advance(entries: Iterable<Entry>): void {
    for (const { mark } of entries) if (mark) this.#known.set(nameOf(mark), mark.offset);
  }

  /** Another instance wrote: its marks are to be read again. */
  forget(): void {
    this.#known.clear();
  }
}

const names = new WeakMap<readonly string[], string>();

/** Messages of one partition share their mark's key, so it is joined once a batch. */
export function nameOf({ key }: Mark): string {
  let name = names.get(key);
  if (name === undefined) names.set(key, name = key.join("\0"));
  return name;
}
