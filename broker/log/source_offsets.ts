/** How far upstream partitions are read: a record at or below the source offset is a repeat. */

import type { KvClient } from "../store/kv_client.ts";
import { sourceOffsetKey } from "../store/kv_keys.ts";
import { decodeJson } from "../store/stored_json.ts";
import type { Entry, SourceOffset } from "../messages/message.ts";

/** Source offsets as they are stored; without a store, as they were published. */
export class SourceOffsets {
  readonly #known = new Map<string, number>();

  constructor(private readonly kv?: KvClient) {}

  /** Reads the stored source offsets for the partitions of the entries. */
  async load(entries: Iterable<Entry>): Promise<void> {
    let key: readonly string[] | undefined;
    for (const { sourceOffset } of entries) {
      if (!sourceOffset || sourceOffset.key === key) continue;
      key = sourceOffset.key;
      const name = nameOf(sourceOffset);
      if (this.#known.has(name)) continue;
      const stored = await this.kv?.get(sourceOffsetKey(sourceOffset.key));
      this.#known.set(name, stored ? decodeJson(stored.value) as number : -1);
    }
  }

  /** The highest stored offset of the source offset's partition; -1 if none is known. */
  stored(sourceOffset: SourceOffset): number {
    return this.#known.get(nameOf(sourceOffset)) ?? -1;
  }

  /** The messages with these source offsets are stored. */
  advance(sourceOffsets: Iterable<SourceOffset>): void {
    for (const sourceOffset of sourceOffsets) {
      this.#known.set(nameOf(sourceOffset), sourceOffset.offset);
    }
  }

  /** Another instance wrote: source offsets must be read again. */
  forget(): void {
    this.#known.clear();
  }
}

interface Reach {
  offset: number;
  /** Source offset of the newest message that was taken; undefined if none was. */
  sourceOffset: SourceOffset | undefined;
}

/**
 * How far the messages of one commit reach in each upstream partition. Messages of one partition
 * mostly follow each other, so the partition is looked up once for all of them.
 */
export class Reached {
  readonly #reaches = new Map<string, Reach>();
  #key: readonly string[] | undefined;
  #reach!: Reach;

  constructor(private readonly stored: SourceOffsets) {}

  /** Whether the message is at or below the offset that was stored or taken. */
  covers(sourceOffset: SourceOffset): boolean {
    return sourceOffset.offset <= this.#of(sourceOffset).offset;
  }

  take(sourceOffset: SourceOffset): void {
    const reach = this.#of(sourceOffset);
    reach.offset = sourceOffset.offset;
    reach.sourceOffset = sourceOffset;
  }

  /** The newest source offset of each partition from which something was taken. */
  get sourceOffsets(): SourceOffset[] {
    return [...this.#reaches.values()].flatMap(({ sourceOffset }) => sourceOffset ?? []);
  }

  #of(sourceOffset: SourceOffset): Reach {
    if (sourceOffset.key === this.#key) return this.#reach;
    const name = nameOf(sourceOffset);
    let reach = this.#reaches.get(name);
    if (!reach) {
      reach = { offset: this.stored.stored(sourceOffset), sourceOffset: undefined };
      this.#reaches.set(name, reach);
    }
    this.#key = sourceOffset.key;
    return this.#reach = reach;
  }
}

const names = new WeakMap<readonly string[], string>();

/** Messages of one partition share their source offset's key, so it is joined once per batch. */
function nameOf({ key }: SourceOffset): string {
  let name = names.get(key);
  if (name === undefined) names.set(key, name = key.join("\0"));
  return name;
}
