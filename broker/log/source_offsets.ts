/** How far upstream partitions are read: what stands at or below its mark is a repeat. */

import type { KvClient } from "../store/kv_client.ts";
import { markKey } from "../store/kv_keys.ts";
import { decodeJson } from "../store/stored_json.ts";
import type { Entry, Mark } from "../messages/message.ts";

/** Marks as they are stored; without a store, as they were published. */
export class Marks {
  readonly #known = new Map<string, number>();

  constructor(private readonly kv?: KvClient) {}

  /** Reads the marks that the entries are judged by. */
  async load(entries: Iterable<Entry>): Promise<void> {
    let key: readonly string[] | undefined;
    for (const { mark } of entries) {
      if (!mark || mark.key === key) continue;
      key = mark.key;
      const name = nameOf(mark);
      if (this.#known.has(name)) continue;
      const stored = await this.kv?.get(markKey(mark.key));
      this.#known.set(name, stored ? decodeJson(stored.value) as number : -1);
    }
  }

  /** The highest offset that is stored of a mark's partition; -1 where none is known. */
  stored(mark: Mark): number {
    return this.#known.get(nameOf(mark)) ?? -1;
  }

  /** What was marked so is stored. */
  advance(marks: Iterable<Mark>): void {
    for (const mark of marks) this.#known.set(nameOf(mark), mark.offset);
  }

  /** Another instance wrote: its marks are to be read again. */
  forget(): void {
    this.#known.clear();
  }
}

interface Reach {
  offset: number;
  /** Of the newest message that was taken; undefined where none was. */
  mark: Mark | undefined;
}

/**
 * How far the messages of one commit reach in each upstream partition. Those of a partition mostly
 * follow each other, so it is looked up once for all of them.
 */
export class Reached {
  readonly #reaches = new Map<string, Reach>();
  #key: readonly string[] | undefined;
  #reach!: Reach;

  constructor(private readonly stored: Marks) {}

  /** Whether the message stands at or below what is stored, or was taken. */
  covers(mark: Mark): boolean {
    return mark.offset <= this.#of(mark).offset;
  }

  take(mark: Mark): void {
    const reach = this.#of(mark);
    reach.offset = mark.offset;
    reach.mark = mark;
  }

  /** The newest mark of each partition of which something was taken. */
  get marks(): Mark[] {
    return [...this.#reaches.values()].flatMap(({ mark }) => mark ?? []);
  }

  #of(mark: Mark): Reach {
    if (mark.key === this.#key) return this.#reach;
    const name = nameOf(mark);
    let reach = this.#reaches.get(name);
    if (!reach) {
      reach = { offset: this.stored.stored(mark), mark: undefined };
      this.#reaches.set(name, reach);
    }
    this.#key = mark.key;
    return this.#reach = reach;
  }
}

const names = new WeakMap<readonly string[], string>();

/** Messages of one partition share their mark's key, so it is joined once a batch. */
function nameOf({ key }: Mark): string {
  let name = names.get(key);
  if (name === undefined) names.set(key, name = key.join("\0"));
  return name;
}
