/** Decides which frames of the shared log are old enough to be deleted. */

import type { KvKey } from "../store/kv_client.ts";
import { logKey } from "../store/kv_keys.ts";
import type { FrameAge } from "./log_append.ts";
import type { LogReader } from "./log_reader.ts";

/** Deletes are bounded by commit; several times what is written, so that a backlog shrinks. */
const MAX_DELETES = 100;
const PAGE_FRAMES = 64;

/**
 * Knows the ages of the oldest frames, without gaps from the floor on, so that an append can delete
 * what is older than the retention and move the floor in the same commit.
 */
export class LogFloor {
  /** Ages of frames that this instance wrote or read, in order; the first `#gone` are deleted. */
  #ages: FrameAge[] = [];
  #gone = 0;
  /** A page of frames from the floor on that are older than those; read when they are needed. */
  #older: FrameAge[] = [];
  /** Frames below the floor: a database that was replaced has some, of an epoch that is over. */
  #left: KvKey[] = [];
  #mayBeLeft = true;
  /** Counts how often the log began anew: what was read before says nothing about it. */
  #life = 0;

  /** Adds the newest frames, in order. */
  add(frames: Iterable<FrameAge>): void {
    for (const { firstOffset, next, logTime } of frames) {
      this.#ages.push({ firstOffset, next, logTime });
    }
  }

  /** Forgets the frames below `floor`: they are deleted. */
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

  /** Keys of frames from before `olderThan`, none reaching beyond `upTo`, and the floor after them. */
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

  /** Reads the ages of the frames from `floor` on where they are not known, and what is below. */
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
      // A part is missing, which must not hold up the floor for ever.
      const { firstOffset, logTime } = known;
      this.#older.unshift({ firstOffset: floor, next: firstOffset, logTime });
    }
  }
}
