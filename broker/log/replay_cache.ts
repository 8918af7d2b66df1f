/** Messages that replays read recently: clients that return together read the same ones. */

import type { Clock } from "../../lib/clock.ts";
import type { Interest } from "../messages/interest.ts";
import { unpackFrame } from "./log_frame.ts";
import type { StoredFrame } from "./log_frame.ts";
import type { Epoch, Publication } from "../messages/message.ts";

const MAX_BYTES = 16_000_000;
/** Concurrent reads of the store, regardless of the number of clients. */
const MAX_READS = 4;
/** After this much work, live messages go first. */
const SLICE_MS = 4;
const NEVER = new AbortController().signal;

interface CachedFrame {
  readonly firstOffset: number;
  readonly next: number;
  readonly size: number;
  readonly publications: readonly Publication[];
}

export interface CachedStretch {
  readonly found: readonly Publication[];
  /** Offset up to which the log was searched. */
  readonly reached: number;
  /** Oldest offset that is kept, if the store was read; else 0. */
  readonly floor: number;
}

/** Frames in order, starting with the one that contains an offset, and the floor after the read. */
export interface StoredFrames {
  readonly frames: Iterable<StoredFrame>;
  readonly floor: number;
}

export interface StretchOptions {
  readonly epoch: Epoch;
  readonly interest: Interest;
  readonly maxFrames: number;
  /** Reads the store; undefined if its log is of another epoch by now. */
  readonly read: () => Promise<StoredFrames | undefined>;
}

/** Bounded in memory, in concurrent reads, and in the time it takes from other work. */
export class ReplayCache {
  /** By first offset; the least recently used one comes first. */
  readonly #frames = new Map<number, CachedFrame>();
  /** First offsets, in order. */
  #offsets: number[] = [];
  #size = 0;
  #epoch: Epoch | undefined;
  readonly #reads = new Map<number, Promise<unknown>>();
  /** Time worked since the last pause. */
  #workedMs = 0;
  #turn: Promise<void> | undefined;

  constructor(private readonly clock: Clock) {}

  /** Publications of interest in a stretch without gaps that begins at `offset`. */
  async stretch(offset: number, options: StretchOptions): Promise<CachedStretch> {
    const { epoch, read } = options;
    for (;;) {
      // Checked right before the work; otherwise all waiting calls would find the time still
      // unused.
      if (this.#workedMs > SLICE_MS) {
        await this.#nextTurn();
        continue;
      }
      if (epoch !== this.#epoch) this.#begin(epoch);
      const startedAt = this.clock.monotonic();
      const cached = this.#collect(offset, options);
      this.#workedMs += this.clock.monotonic() - startedAt;
      if (cached.reached >= offset) return { ...cached, floor: 0 };
      const same = this.#reads.get(offset);
      if (same) await same;
      else if (this.#reads.size >= MAX_READS) await Promise.race(this.#reads.values());
      else break;
    }
    const reading = read().then(async (stored) => {
      if (stored) await this.#keep(stored.frames, epoch);
      return stored;
    });
    this.#reads.set(offset, reading.catch(() => {}));
    try {
      const stored = await reading;
      if (!stored) return { found: [], reached: offset - 1, floor: 0 };
      return { ...this.#collect(offset, options), floor: stored.floor };
    } finally {
      this.#reads.delete(offset);
    }
  }

  #nextTurn(): Promise<void> {
    return this.#turn ??= this.clock.sleep(0, NEVER).then(() => {
      this.#turn = undefined;
      this.#workedMs = 0;
    });
  }

  #collect(offset: number, { epoch, interest, maxFrames }: StretchOptions) {
    const found: Publication[] = [];
    let at = offset;
    let i = epoch === this.#epoch ? this.#after(offset) - 1 : -1;
    for (let count = 0; i >= 0 && i < this.#offsets.length && count < maxFrames; i++, count++) {
      const frame = this.#frames.get(this.#offsets[i]!)!;
      if (frame.firstOffset > at || frame.next <= at) break;
      for (const publication of frame.publications) {
        if (publication.offset >= offset && interest.matches(publication.deviceId)) {
          found.push(publication);
        }
      }
      this.#frames.delete(frame.firstOffset);
      this.#frames.set(frame.firstOffset, frame);
      at = frame.next;
    }
    return { found, reached: at - 1 };
  }

  async #keep(frames: Iterable<StoredFrame>, epoch: Epoch): Promise<void> {
    const next = frames[Symbol.iterator]();
    for (;;) {
      while (this.#workedMs > SLICE_MS) await this.#nextTurn();
      if (epoch !== this.#epoch) return;
      const startedAt = this.clock.monotonic();
      const { value: frame, done } = next.next();
      if (done) return;
      this.#keepOne(frame, epoch);
      this.#workedMs += this.clock.monotonic() - startedAt;
    }
  }

  #keepOne({ firstOffset, next, bytes }: StoredFrame, epoch: Epoch): void {
    if (this.#frames.has(firstOffset)) return;
    const publications = unpackFrame(bytes, epoch, firstOffset);
    this.#frames.set(firstOffset, { firstOffset, next, publications, size: bytes.length });
    this.#offsets.splice(this.#after(firstOffset), 0, firstOffset);
    this.#size += bytes.length;
    for (const [oldest, { size }] of this.#frames) {
      if (this.#size <= MAX_BYTES) break;
      this.#frames.delete(oldest);
      this.#offsets.splice(this.#after(oldest) - 1, 1);
      this.#size -= size;
    }
  }

  /** Index of the first frame that begins after `offset`. */
  #after(offset: number): number {
    let [low, high] = [0, this.#offsets.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#offsets[middle]! <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #begin(epoch: Epoch): void {
    this.#epoch = epoch;
    this.#frames.clear();
    this.#offsets = [];
    this.#size = 0;
  }
}
