/** What one instance keeps in memory: recent publications and the last one of each device. */

import type { Interest } from "../messages/interest.ts";
import type { Message, Publication } from "../messages/message.ts";
import { type Recent, Repeats } from "./repeats.ts";

/** Estimated bytes that a publication takes in addition to its payload. */
const OVERHEAD_BYTES = 200;
/** Up to this many ids, a search follows the chain of each device; with more, it scans the log. */
const MAX_CHAINS = 64;
/** If the chains hold more publications than this after the offset, the search scans the log. */
const MAX_ALONG_CHAINS = 2_048;
/** A search stops after this many publications that are not of interest; a later call continues. */
const MAX_MISSED = 4_096;

/**
 * The newest stretch of the log: dense in offsets, bounded in bytes, with an index by device and
 * the window in which repeats are found. A publication that is evicted from it can remain the last
 * known message of its device.
 */
export class MessageLog implements Recent {
  readonly #last = new Map<string, Publication>();
  /** Publications by offset; the first `#evicted` elements are empty. */
  #recent: (Publication | undefined)[] = [];
  #evicted = 0;
  #bytes = 0;
  #position = 0;
  readonly #repeats = new Repeats(this);

  constructor(private readonly options: { maxBytes: number }) {}

  /** Offset of the newest publication; the next one has the offset after it. */
  get position(): number {
    return this.#position;
  }

  /** Everything after this offset is in memory. */
  get start(): number {
    return this.#position - (this.#recent.length - this.#evicted);
  }

  get bytes(): number {
    return this.#bytes;
  }

  get deviceCount(): number {
    return this.#last.size;
  }

  /** The publication with this offset, if it is recent. */
  at(offset: number): Publication | undefined {
    if (offset <= this.start || offset > this.#position) return undefined;
    return this.#recent[this.#recent.length - 1 - (this.#position - offset)];
  }

  /** The previous publication of the same device, if both are recent. */
  previousOf(publication: Publication): Publication | undefined {
    return this.#holds(publication) ? this.at(publication.previous) : undefined;
  }

  lastOf(deviceId: string): Publication | undefined {
    return this.#last.get(deviceId);
  }

  /** The last publication of each device; safe to read while the log grows. */
  lastOfAll(): MapIterator<Publication> {
    return this.#last.values();
  }

  /** Adds the last message of a device from before the log in memory. */
  restoreLast(publication: Publication): void {
    const known = this.#last.get(publication.deviceId);
    if (!known || known.epoch.id !== publication.epoch.id || known.offset < publication.offset) {
      this.#last.set(publication.deviceId, publication);
    }
  }

  append(publication: Publication): void {
    if (publication.offset !== this.#position + 1) {
      throw new RangeError(
        `Cannot append offset ${publication.offset}: the log is at ${this.#position}`,
      );
    }
    this.#position = publication.offset;
    this.#recent.push(publication);
    this.#bytes += publication.payload.length + OVERHEAD_BYTES;
    const last = this.#last.get(publication.deviceId);
    if (last && this.#holds(last)) publication.previous = last.offset;
    this.#last.set(publication.deviceId, publication);
    this.#repeats.add(publication);
    while (this.#bytes > this.options.maxBytes && this.start < this.#position) this.#evict();
  }

  /** Forgets the recent publications up to `offset`; the last of each device stays. */
  trim(offset: number): void {
    while (this.start < Math.min(offset, this.#position)) this.#evict();
  }

  /** Forgets the recent publications that were appended before `time`, ms since 1970. */
  trimOlderThan(time: number): void {
    while (this.start < this.#position && this.#recent[this.#evicted]!.time < time) this.#evict();
  }

  /** Starts again after `position` with nothing recent: in another epoch, or after a gap. */
  reset(position: number): void {
    this.trim(this.#position);
    this.#recent = [];
    this.#evicted = 0;
    this.#position = position;
  }

  /** The recent publication that `message` repeats: same device, same bytes, and with a uuid. */
  repeated(message: Message): Publication | undefined {
    return this.#repeats.find(message);
  }

  /**
   * Publications of interest after `offset`, in order, about `maxBytes` in total, and the offset up
   * to which the log was searched. Fewer if matches are rare, so that no call takes long. Undefined
   * if memory does not reach back that far.
   */
  after(
    offset: number,
    interest: Interest,
    maxBytes: number,
  ): { found: Publication[]; reached: number } | undefined {
    if (offset < this.start) return undefined;
    return this.#alongChains(offset, interest, maxBytes) ?? this.#among(offset, interest, maxBytes);
  }

  /** Scans the publications one by one. */
  #among(offset: number, interest: Interest, maxBytes: number) {
    const found: Publication[] = [];
    let bytes = 0;
    let missed = 0;
    let i = this.#recent.length - (this.#position - offset);
    for (; i < this.#recent.length && bytes < maxBytes && missed < MAX_MISSED; i++) {
      const publication = this.#recent[i]!;
      if (interest.matches(publication.deviceId)) {
        found.push(publication);
        bytes += publication.payload.length;
      } else missed++;
    }
    return { found, reached: this.#position - (this.#recent.length - i) };
  }

  /**
   * Follows the chain of each device back from its last publication; undefined if that takes long.
   */
  #alongChains(offset: number, interest: Interest, maxBytes: number) {
    if (interest.all || interest.prefixes.length > 0 || interest.ids.size > MAX_CHAINS) return;
    const found: Publication[] = [];
    for (const id of interest.ids) {
      let publication = this.#last.get(id);
      if (publication && !this.#holds(publication)) continue;
      while (publication && publication.offset > offset) {
        found.push(publication);
        if (found.length > MAX_ALONG_CHAINS) return;
        publication = this.at(publication.previous);
      }
    }
    found.sort((a, b) => a.offset - b.offset);
    let bytes = 0;
    for (let i = 0; i < found.length; i++) {
      bytes += found[i]!.payload.length;
      if (bytes >= maxBytes && i + 1 < found.length) {
        found.length = i + 1;
        return { found, reached: found[i]!.offset };
      }
    }
    return { found, reached: this.#position };
  }

  /** Whether the publication itself is in memory as part of the recent log. */
  #holds(publication: Publication): boolean {
    return this.at(publication.offset) === publication;
  }

  #evict(): void {
    const publication = this.#recent[this.#evicted]!;
    this.#recent[this.#evicted++] = undefined;
    this.#bytes -= publication.payload.length + OVERHEAD_BYTES;
    if (this.#evicted > 1024 && this.#evicted * 2 > this.#recent.length) {
      this.#recent = this.#recent.slice(this.#evicted);
      this.#evicted = 0;
    }
  }
}
