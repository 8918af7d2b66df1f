/** Tracks how far the partitions of this group member are read, stored and committed. */

import type { SourceDetail } from "../runtime/source.ts";

/** Offsets of one partition, as the broker and the group know them. */
export interface PartitionOffsets {
  /** Offset of the oldest record that the broker keeps. */
  readonly low: number;
  /** Offset that the next record will get. */
  readonly high: number;
  /** The offset that the group has committed; negative if there is none. */
  readonly committed: number;
  /** The metadata of that commit. */
  readonly metadata: string | null;
}

export interface PartitionCommit {
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  readonly metadata: string;
}

const METADATA_PREFIX = "telecast:";

/** The incarnation that a commit's metadata names; undefined if Telecast did not write it. */
export function incarnationOf(metadata: string | null): string | undefined {
  return metadata?.startsWith(METADATA_PREFIX) ? metadata.slice(METADATA_PREFIX.length) : undefined;
}

function newIncarnation(): string {
  return crypto.randomUUID().slice(0, 8);
}

/**
 * One partition, from a start offset on. Its incarnation is part of the group's commits and of each
 * message's source offset. If offsets start over (a recreated topic, offsets reset by hand), the
 * commits lose the incarnation and a new one begins, so that no new record passes for a repeat of
 * an old one.
 */
export class Partition {
  /** Offset of the next record to hand over. */
  position: number;
  /** Offset up to which every record is stored. */
  stored: number;
  /** Offset that the next record will get, as last reported. */
  high: number;
  /** Offsets that were skipped: removed by compaction, or expired before they were read. */
  #gap: { from: number; to: number } | undefined;
  readonly sourceOffsetKey: readonly string[];

  constructor(
    group: string,
    readonly topic: string,
    readonly partition: number,
    start: number,
    /** The offset that the group has committed with this incarnation; -1 if none. */
    public committed: number,
    readonly incarnation: string = newIncarnation(),
  ) {
    this.position = start;
    this.stored = start;
    this.high = start;
    this.sourceOffsetKey = ["kafka", group, topic, String(partition), incarnation];
  }

  /** Every record before this offset is stored. */
  readonly onStored = (offset: number): void => {
    this.stored = offset;
  };

  get name(): string {
    return nameOf(this.topic, this.partition);
  }

  get isCommitted(): boolean {
    return this.committed >= this.stored;
  }

  get lag(): number {
    return Math.max(0, this.high - this.stored);
  }

  get commit(): PartitionCommit {
    const { topic, partition, stored, incarnation } = this;
    const metadata = METADATA_PREFIX + incarnation;
    return { topic, partition, offset: String(stored), metadata };
  }

  skipTo(offset: number): void {
    if (this.stored === this.position) this.stored = offset;
    this.position = offset;
  }

  noteGap(next: number): void {
    if (next > this.position) this.#gap = { from: this.#gap?.from ?? this.position, to: next };
  }

  /** How many offsets of the gap are older than the oldest record that the broker keeps. */
  expiredInGap(low: number): number {
    const gap = this.#gap;
    this.#gap = undefined;
    return gap ? Math.max(0, Math.min(gap.to, low) - gap.from) : 0;
  }

  /** Another member has read further: nothing before `offset` is read again. */
  advanceTo(offset: number): void {
    this.committed = Math.max(this.committed, offset);
    this.stored = Math.max(this.stored, offset);
    this.position = Math.max(this.position, offset);
  }
}

export function nameOf(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}

/**
 * The partitions that this member holds. They outlive connections, so that after a reconnect or a
 * rebalance, records that are handed over but not stored yet are not read or committed again.
 */
export class Partitions {
  readonly #held = new Map<string, Partition>();
  /** Partition count of each topic when first seen: later partitions are read from the start. */
  readonly #known = new Map<string, number>();
  lastCommit: Date | undefined;

  constructor(private readonly group: string, private readonly fromBeginning: boolean) {}

  get size(): number {
    return this.#held.size;
  }

  get(topic: string, partition: number): Partition | undefined {
    return this.#held.get(nameOf(topic, partition));
  }

  [Symbol.iterator](): IterableIterator<Partition> {
    return this.#held.values();
  }

  /** Remembers how many partitions a topic had at first; 0 for a topic that does not exist yet. */
  seen(topic: string, partitions: number): void {
    if (!this.#known.has(topic)) this.#known.set(topic, partitions);
  }

  /** Drops partitions that are no longer assigned. */
  keepOnly(isAssigned: (topic: string, partition: number) => boolean): void {
    for (const [name, { topic, partition }] of this.#held) {
      if (!isAssigned(topic, partition)) this.#held.delete(name);
    }
  }

  /** Finds the offset to continue a partition from, and holds the partition from now on. */
  settle(topic: string, partition: number, offsets: PartitionOffsets): Partition {
    const held = this.get(topic, partition);
    let settled: Partition;
    if (held && this.#goesOn(held, offsets)) {
      settled = held;
      if (offsets.committed >= 0) settled.advanceTo(offsets.committed);
    } else settled = this.#begin(topic, partition, offsets, held !== undefined);
    settled.high = offsets.high;
    this.#held.set(settled.name, settled);
    return settled;
  }

  /** The offsets went back, so the partition was recreated: starts a new incarnation at `start`. */
  restart(partition: Partition, start: number): Partition {
    const anew = new Partition(this.group, partition.topic, partition.partition, start, -1);
    anew.high = partition.high;
    this.#held.set(anew.name, anew);
    return anew;
  }

  /** Offsets that are not committed yet. */
  due(): PartitionCommit[] {
    return [...this.#held.values()].filter((held) => !held.isCommitted).map((held) => held.commit);
  }

  /** Whether everything that was handed over is stored. */
  get isStored(): boolean {
    for (const { stored, position } of this.#held.values()) {
      if (stored < position) return false;
    }
    return true;
  }

  detail(): SourceDetail {
    const held = [...this.#held.values()].sort((a, b) =>
      a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition
    );
    return {
      group: this.group,
      lag: held.reduce((sum, { lag }) => sum + lag, 0),
      last_commit: this.lastCommit?.toISOString() ?? null,
      partitions: held.map(({ topic, partition, stored, committed, lag }) => ({
        topic,
        partition,
        stored,
        committed: committed < 0 ? null : committed,
        lag,
      })),
    };
  }

  #goesOn(held: Partition, { committed, metadata, high }: PartitionOffsets): boolean {
    if (committed >= 0) return incarnationOf(metadata) === held.incarnation;
    return held.committed < 0 && held.position <= high;
  }

  #begin(
    topic: string,
    partition: number,
    { committed, metadata, low, high }: PartitionOffsets,
    wasHeld: boolean,
  ): Partition {
    if (committed >= 0) {
      const incarnation = incarnationOf(metadata);
      const known = incarnation === undefined ? -1 : committed;
      return new Partition(this.group, topic, partition, committed, known, incarnation);
    }
    const isNew = partition >= (this.#known.get(topic) ?? Infinity);
    const wasReset = committed === RESET_TO_EARLIEST;
    const start = this.fromBeginning || isNew || wasReset || wasHeld ? low : high;
    return new Partition(this.group, topic, partition, start, -1);
  }
}

/** What kafkajs commits before it continues with the oldest record. */
const RESET_TO_EARLIEST = -2;
