/** The window in which repeats are found. */

import { fingerprintOf } from "../messages/fingerprint.ts";
import { hasUuid, type Message, type Publication } from "../messages/message.ts";

/** More messages with one fingerprint are no coincidence; the oldest of them are ignored. */
const MAX_STEPS = 16;
const MIN_PLACES = 1_024;

/** The newest stretch of a log. */
export interface Recent {
  /** Everything after this offset is in memory. */
  readonly start: number;
  /** Offset of the newest publication. */
  readonly position: number;
  at(offset: number): Publication | undefined;
}

/**
 * Finds recent publications that have a uuid by the fingerprint of their payload. Offsets form
 * chains in two arrays, like the hash chains of a compressor: what is evicted from the log needs no
 * cleanup, and the garbage collector has nothing to trace.
 */
export class Repeats {
  /** Indexed by the low bits of a fingerprint: offset of the newest publication that has them. */
  #newest = new Float64Array(MIN_PLACES);
  /** Indexed by the low bits of an offset: offset of the next older publication in its chain. */
  #older = new Float64Array(MIN_PLACES);

  constructor(private readonly recent: Recent) {}

  /** The publication that `message` repeats: same device, same bytes, and with a uuid. */
  find(message: Message): Publication | undefined {
    if (!hasUuid(message)) return undefined;
    const fingerprint = fingerprintOfMessage(message);
    const { start } = this.recent;
    let offset = this.#newest[this.#place(fingerprint)]!;
    for (let steps = 0; offset > start && steps < MAX_STEPS; steps++) {
      const found = this.recent.at(offset);
      if (found?.fingerprint === fingerprint && isSame(found, message)) return found;
      offset = this.#older[this.#place(offset)]!;
    }
    return undefined;
  }

  /** Adds the newest publication of the log. */
  add(publication: Publication): void {
    if (!publication.hasUuid) return;
    publication.fingerprint = fingerprintOfMessage(publication);
    const { start, position } = this.recent;
    if (position - start > this.#newest.length) this.#grow();
    else this.#link(publication);
  }

  #place(bits: number): number {
    return bits & (this.#newest.length - 1);
  }

  #link({ fingerprint, offset }: Publication): void {
    const place = this.#place(fingerprint!);
    this.#older[this.#place(offset)] = this.#newest[place]!;
    this.#newest[place] = offset;
  }

  #grow(): void {
    const { recent } = this;
    this.#newest = new Float64Array(2 * this.#newest.length);
    this.#older = new Float64Array(this.#newest.length);
    for (let offset = recent.start + 1; offset <= recent.position; offset++) {
      const publication = recent.at(offset)!;
      if (publication.hasUuid) this.#link(publication);
    }
  }
}

export function fingerprintOfMessage(
  message: { payload: string; fingerprint?: number | undefined },
): number {
  return message.fingerprint ?? fingerprintOf(message.payload);
}

export function isSame(a: { deviceId: string; payload: string }, b: typeof a): boolean {
  return a.deviceId === b.deviceId && a.payload === b.payload;
}
