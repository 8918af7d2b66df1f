/** One commit to the shared log: built once, then only repeated. */

import type { KvCommit, KvKey } from "../store/kv_client.ts";
import { deliveryKey, HEAD, logKey, sourceOffsetKey } from "../store/kv_keys.ts";
import { compressFrame, type FrameHeader, packFrame } from "./log_frame.ts";
import { encodeHead, type LogHead, writtenBy } from "./log_head.ts";
import { encodeJson } from "../store/stored_json.ts";
import { Reached, type SourceOffsets } from "./source_offsets.ts";
import { type Entry, type Epoch, hasUuid, Publication } from "../messages/message.ts";
import type { MessageLog } from "./message_log.ts";
import { fingerprintOfMessage, isSame } from "./repeats.ts";

/** A publish() that waits for its messages to be stored. */
export interface Waiting {
  readonly entries: readonly Entry[];
  readonly leased: boolean;
  /** When it began to wait, by performance.now(). */
  readonly since: number;
  /** How many of the entries are in commits that were built. */
  taken: number;
  resolve(): void;
  reject(error: Error): void;
}

/** The part of a publish() that one commit takes. */
interface Part {
  readonly waiting: Waiting;
  readonly from: number;
  readonly to: number;
}

/**
 * A commit has at most 800 KiB and 1,000 changes. A character has at most three bytes; the rest is
 * for the head, source offsets and deletes.
 */
const MAX_CHARS = 200_000;
const MAX_JOBS = 400;
/** More than a frame needs per message in addition to its text. */
const ENTRY_CHARS = 2;
/** Total size of the frames in one commit. */
const MAX_FRAMES_BYTES = 720_000;

export interface FrameAge {
  readonly firstOffset: number;
  /** Offset after its last message. */
  readonly next: number;
  readonly logTime: number;
}

/**
 * Packs as many entries as one commit takes into frames from `firstOffset` on; `next` follows them.
 */
export function packFrames(
  header: FrameHeader,
  entries: readonly Entry[],
  firstOffset: number,
): { sets: { key: KvKey; value: Uint8Array }[]; ages: FrameAge[]; next: number } {
  const sets: { key: KvKey; value: Uint8Array }[] = [];
  const ages: FrameAge[] = [];
  let next = firstOffset;
  for (let i = 0, size = 0; i < entries.length && size < MAX_FRAMES_BYTES;) {
    const { bytes, count } = packFrame(header, entries, i);
    sets.push({ key: logKey(next), value: compressFrame(bytes) });
    ages.push({ firstOffset: next, next: next + count, logTime: header.logTime });
    next += count;
    i += count;
    size += bytes.length;
  }
  return { sets, ages, next };
}

/** Takes what fits into one commit from the waiting publishes, without repeats. */
export class Append {
  readonly entries: Entry[] = [];
  ages!: readonly FrameAge[];
  commit!: KvCommit;
  head!: LogHead;
  header!: FrameHeader;
  readonly #parts: Part[] = [];
  /** Fingerprints of the messages that have a uuid. */
  readonly #fingerprints = new Set<number>();
  readonly reached: Reached;
  #chars = 0;
  #jobs = 0;

  constructor(
    waiting: readonly Waiting[],
    private readonly log: MessageLog,
    sourceOffsets: SourceOffsets,
  ) {
    this.reached = new Reached(sourceOffsets);
    for (const next of waiting) {
      const from = next.taken;
      while (next.taken < next.entries.length && this.#take(next.entries[next.taken]!)) {
        next.taken++;
      }
      this.#parts.push({ waiting: next, from, to: next.taken });
      if (next.taken < next.entries.length) break;
    }
  }

  /** False if the commit is full. */
  #take(entry: Entry): boolean {
    const { payload, deviceId, job, sourceOffset } = entry;
    const chars = payload.length + deviceId.length + ENTRY_CHARS + (job?.body.length ?? 0);
    const full = this.#chars + chars > MAX_CHARS || this.#jobs === MAX_JOBS;
    if (full && this.entries.length > 0) return false;
    if (sourceOffset && this.reached.covers(sourceOffset) || this.log.repeated(entry)) return true;
    if (hasUuid(entry)) {
      const fingerprint = fingerprintOfMessage(entry);
      const isKnown = this.#fingerprints.has(fingerprint) &&
        this.entries.some((other) => hasUuid(other) && isSame(other, entry));
      if (isKnown) return true;
      this.#fingerprints.add(fingerprint);
    }
    if (sourceOffset) this.reached.take(sourceOffset);
    this.#chars += chars;
    if (job) this.#jobs++;
    this.entries.push(entry);
    return true;
  }

  /** When the oldest publish in it began to wait. */
  get waitingSince(): number {
    return this.#parts[0]!.waiting.since;
  }

  /** Whether the log with this head contains the append. */
  isIn({ written }: LogHead): boolean {
    const { writer, batch } = this.header;
    return written.some(([name, newest]) => name === writer && newest === batch);
  }

  /**
   * The messages are stored: resolves the publishes that are complete, and returns the number of
   * entries that were taken.
   */
  settle(): number {
    let count = 0;
    for (const { waiting, from, to } of this.#parts) {
      count += to - from;
      if (to === waiting.entries.length) waiting.resolve();
    }
    return count;
  }

  /**
   * The append was not applied and never will be: everything it took waits again. Returns what
   * waited.
   */
  undo(): Waiting[] {
    for (const { waiting, from } of this.#parts) waiting.taken = from;
    return this.#parts.map(({ waiting }) => waiting);
  }

  /** Builds the commit on the known head; it does not change afterwards. */
  prepare(
    head: LogHead,
    versionstamp: string | null,
    options: { header: FrameHeader; deletes: KvKey[]; floor: number },
  ): void {
    this.header = options.header;
    const { writer, batch, logTime } = options.header;
    const { sets, ages, next } = packFrames(options.header, this.entries, head.next);
    this.ages = ages;
    if (this.#jobs > 0) {
      this.entries.forEach(({ job }, i) => {
        if (!job) return;
        const key = deliveryKey(job.partition, head.next + i);
        sets.push({ key, value: new TextEncoder().encode(job.body) });
      });
    }
    const written = writtenBy(head, writer, batch);
    const sourceOffsets = this.reached.sourceOffsets.map(({ key, offset }) => ({
      key: sourceOffsetKey(key),
      value: encodeJson(offset),
    }));
    this.head = { epoch: head.epoch, next, floor: options.floor, logTime, writer, batch, written };
    this.commit = {
      checks: [{ key: HEAD, versionstamp }],
      sets: [...sets, ...sourceOffsets, { key: HEAD, value: encodeHead(this.head) }],
      deletes: options.deletes,
    };
  }

  publications(epoch: Epoch): Publication[] {
    const first = this.head.next - this.entries.length;
    const { time } = this.header;
    return this.entries.map((entry, i) => {
      const { deviceId, payload, fingerprint } = entry;
      const isMarked = hasUuid(entry);
      const publication = new Publication(epoch, first + i, deviceId, payload, isMarked, time);
      publication.fingerprint = fingerprint;
      return publication;
    });
  }
}
