/** Decides which frames of the shared log are old enough to be deleted. */

import type { KvKey } from "../store/kv_client.ts";
import { logKey } from "../store/kv_keys.ts";
import type { FrameAge } from "./log_append.ts";
import type { LogReader } from "./log_reader.ts";

/** Deletes per commit: several times what a commit writes, so that a backlog shrinks. */
const MAX_DELETES = 100;
const PAGE_FRAMES = 64;

/**
 * Knows the ages of the oldest frames, from the floor on and without gaps, so that an append can
 * delete what is older than the retention and move the floor in the same commit.
 */
export class LogFloor {
  /** Ages of frames that this instance wrote or read, in order; the first `#gone` are deleted. */
  #ages: FrameAge[] = [];
  #gone = 0;
  /** A page of older frames, from the floor on; read when they are needed. */
  #older: FrameAge[] = [];
  /** Frames below the floor: a replaced database has some, from an earlier epoch. */
  #left: KvKey[] = [];
  #mayBeLeft = true;
  /** Counts restarts of the log: what was read before a restart no longer applies. */
  #life = 0;

  /** Adds the newest frames, in order. */
  add(frames: Iterable<FrameAge>): void {
    for (const { firstOffset, next, logTime } of frames) {
      this.#ages.push({ firstOffset, next, logTime });
    }
  }

  /** Forgets the frames below `floor`, which are deleted. */
  advance(floor: number): void {
    this.#older = this.#older.filter((age) => age.next > floor);
    while (this.#gone < this.#ages.length && this.#ages[this.#gone]!.next <= floor) this.#gone++;
    if (this.#gone > 1000 && this.#gone * 2 > this.#ages.length) {
      this.#ages = this.#ages.slice(this.#gone);
      this.#gone = 0;
    }
  }

  clear(): void {
    this.#ages = [];
    this.#gone = 0;
    this.#older = [];
    this.#left = [];
    this.#mayBeLeft = true;
    this.#life++;
  }

  /**
   * Keys of the frames that are older than `olderThan` and do not reach beyond `upTo`, and the
   * floor after them.
   */
  expired(
    { floor, olderThan, upTo }: { floor: number; olderThan: number; upTo: number },
  ): { deletes: KvKey[]; floor: number } {
    const deletes = this.#left.splice(0, MAX_DELETES);
    const take = (age: FrameAge | undefined): boolean => {
      if (!age || age.firstOffset !== floor || deletes.length >= MAX_DELETES) return false;
      if (age.logTime >= olderThan || age.next - 1 > upTo) return false;
      deletes.push(logKey(age.firstOffset));
      floor = age.next;
      return true;
    };
    let older = 0;
    while (take(this.#older[older])) older++;
    let i = this.#gone;
    while (take(this.#ages[i])) i++;
    return { deletes, floor };
  }

  /**
   * Reads the ages of the frames from `floor` on if they are unknown, and finds frames below it.
   */
  async complete(reader: LogReader, floor: number, next: number): Promise<void> {
    const life = this.#life;
    if (this.#mayBeLeft && this.#left.length === 0) {
      const left = await reader.frames(0, floor);
      if (life !== this.#life) return;
      this.#left = left.map(({ firstOffset }) => logKey(firstOffset));
      this.#mayBeLeft = left.length > 0;
    }
    const oldest = this.#ages[this.#gone]?.firstOffset ?? next;
    if (floor >= oldest || this.#older[0]?.firstOffset === floor) return;
    const older = await reader.frames(floor, oldest, PAGE_FRAMES);
    if (life !== this.#life) return;
    this.#older = older.map(({ firstOffset, next, logTime }) => ({ firstOffset, next, logTime }));
    const known = this.#older[0] ?? this.#ages[this.#gone];
    if (known && known.firstOffset > floor) {
      // A missing part must not hold the floor back forever.
      const { firstOffset, logTime } = known;
      this.#older.unshift({ firstOffset: floor, next: firstOffset, logTime });
    }
  }
}
