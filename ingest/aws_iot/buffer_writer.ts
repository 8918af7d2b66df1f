/** Writes to the buffer: appends in their order, removals many at a time. */

import type { Clock } from "../../lib/clock.ts";
import { withTimeLimit } from "../../broker/store/kv_client.ts";
import type { OutboundBuffer } from "./outbound_buffer.ts";
import { type OutboxItem, UndeliverableError } from "./outbox_item.ts";

export interface BufferWriterOptions {
  readonly buffer: OutboundBuffer;
  readonly clock: Clock;
  /** How long the buffer has to take a message. */
  readonly limitMs: number;
  /** When a removal that failed is tried again. */
  readonly retryMs: number;
  /** Messages that may wait to be written; more are turned away. */
  readonly maxWaiting: number;
  /** The buffer has it; it is answered by whoever is told. */
  onSaved(item: OutboxItem): void;
  /** All that was to be saved is saved, or turned away. */
  onIdle(): void;
  onError(error: unknown): void;
}

const AT_ONCE = 100;

export class BufferWriter {
  /** Messages saved, and messages that nobody has. */
  readonly totals = { buffered: 0, lost: 0 };
  #toSave: OutboxItem[] = [];
  #saving = false;
  readonly #toRemove = new Set<number>();
  readonly #stop = new AbortController();

  constructor(private readonly options: BufferWriterOptions) {}

  /** Something is on its way into the buffer. */
  get busy(): boolean {
    return this.#saving || this.#toSave.length > 0;
  }

  save(items: readonly OutboxItem[]): void {
    for (const item of items) {
      if (this.#toSave.length < this.options.maxWaiting) {
        item.seq = "saving";
        this.#toSave.push(item);
      } else this.#notSaved(item, new Error("too many messages wait for the store"));
    }
    if (!this.#saving) this.#saveAll();
  }

  remove(seq: number): void {
    this.#toRemove.add(seq);
    if (this.#toRemove.size === 1) this.#removeAll();
  }

  /** Waits until all is written, but not longer than `limitMs`. */
  async close(limitMs: number): Promise<void> {
    const end = performance.now() + limitMs;
    while ((this.busy || this.#toRemove.size > 0) && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    this.#stop.abort();
  }

  async #saveAll(): Promise<void> {
    this.#saving = true;
    while (this.#toSave.length > 0) {
      const items = this.#toSave.splice(0, AT_ONCE);
      try {
        const append = this.options.buffer.append(items.map(({ message }) => message));
        const seqs = await withTimeLimit(append, this.options.limitMs, "the buffer");
        items.forEach((item, i) => this.#saved(item, seqs[i]!));
      } catch (error) {
        for (const item of items) this.#notSaved(item, error);
      }
    }
    this.#saving = false;
    this.options.onIdle();
  }

  #saved(item: OutboxItem, seq: number): void {
    item.seq = seq;
    if (item.done) return this.remove(seq);
    this.totals.buffered++;
    this.options.onSaved(item);
  }

  #notSaved(item: OutboxItem, error: unknown): void {
    item.seq = undefined;
    if (item.done) return;
    this.totals.lost++;
    const why = error instanceof Error ? error.message : String(error);
    item.reject(new UndeliverableError(`the buffer did not take the message: ${why}`));
  }

  async #removeAll(): Promise<void> {
    // What comes in the same turn goes with it.
    await Promise.resolve();
    while (this.#toRemove.size > 0 && !this.#stop.signal.aborted) {
      const seqs = [...this.#toRemove];
      try {
        await this.options.buffer.remove(seqs);
        for (const seq of seqs) this.#toRemove.delete(seq);
      } catch (error) {
        this.options.onError(error);
        await this.options.clock.sleep(this.options.retryMs, this.#stop.signal);
      }
    }
  }
}
