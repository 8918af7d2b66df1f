/** A buffer for a process without a store: its messages are lost when the process ends. */

import { type Clock, SYSTEM_CLOCK } from "../../lib/clock.ts";
import {
  BUFFER_LIMITS,
  type BufferLimits,
  type OnDropped,
  type Outbound,
  type OutboundBuffer,
  type Stored,
} from "./outbound_buffer.ts";

export class MemoryBuffer implements OutboundBuffer {
  readonly shared = false;
  /** Ordered by `seq`, because a Map keeps the order of insertion. */
  readonly #stored = new Map<number, Outbound>();
  #next = 1;

  constructor(
    private readonly options: {
      limits?: BufferLimits | undefined;
      clock?: Clock | undefined;
      onDropped?: OnDropped | undefined;
    } = {},
  ) {}

  get size(): number {
    return this.#stored.size;
  }

  append(messages: readonly Outbound[]): Promise<number[]> {
    const seqs = messages.map((message) => {
      this.#stored.set(this.#next, message);
      return this.#next++;
    });
    const { maxMessages } = this.options.limits ?? BUFFER_LIMITS;
    this.#drop([...this.#stored.keys()].slice(0, -maxMessages), "too many");
    return Promise.resolve(seqs);
  }

  page(after: number, limit: number): Promise<Stored[]> {
    const { maxAgeMs } = this.options.limits ?? BUFFER_LIMITS;
    const oldest = (this.options.clock ?? SYSTEM_CLOCK).wall() - maxAgeMs;
    const page: Stored[] = [];
    const old: number[] = [];
    for (const [seq, message] of this.#stored) {
      if (seq <= after) continue;
      if (page.length === limit) break;
      if (message.at < oldest) old.push(seq);
      else page.push({ seq, message });
    }
    this.#drop(old, "too old");
    return Promise.resolve(page);
  }

  remove(seqs: readonly number[]): Promise<void> {
    for (const seq of seqs) this.#stored.delete(seq);
    return Promise.resolve();
  }

  #drop(seqs: readonly number[], reason: "too many" | "too old"): void {
    if (seqs.length === 0) return;
    for (const seq of seqs) this.#stored.delete(seq);
    this.options.onDropped?.(seqs.length, reason);
  }
}
