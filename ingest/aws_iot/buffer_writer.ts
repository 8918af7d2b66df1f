/** Writes to the buffer: appends in order, removals in batches. */

import type { Clock } from "../../lib/clock.ts";
import { withTimeLimit } from "../../broker/store/kv_client.ts";
import type { OutboundBuffer } from "./outbound_buffer.ts";
import { type OutboxItem, UndeliverableError } from "./outbox_item.ts";

export interface BufferWriterOptions {
  readonly buffer: OutboundBuffer;
  readonly clock: Clock;
  /** How long the buffer may take to store a message. */
  readonly limitMs: number;
  /** The delay before a failed removal is retried. */
  readonly retryMs: number;
  /** Maximum number of messages that wait to be written; more are rejected. */
  readonly maxWaiting: number;
  /** Called when the buffer has stored the item; the listener answers its sender. */
  onSaved(item: OutboxItem): void;
  /** Called when every waiting message is saved or rejected. */
  onIdle(): void;
  onError(error: unknown): void;
}

const AT_ONCE = 100;

export class BufferWriter {
  /** Messages saved, and messages lost. */
  readonly totals = { buffered: 0, lost: 0 };
  #toSave: OutboxItem[] = [];
  #saving = false;
  readonly #toRemove = new Set<number>();
  readonly #stop = new AbortController();

  constructor(private readonly options: BufferWriterOptions) {}

  /** Whether messages are being saved or wait to be saved. */
  get busy(): boolean {
    return this.#saving || this.#toSave.length > 0;
  }

  save(items: readonly OutboxItem[]): void {
    for (const item of items) {
      if (this.#toSave.length < this.options.maxWaiting) {
        item.seq = "saving";
        this.#toSave.push(item);
      } else this.#notSaved(item, new Error("too many messages are waiting for the store"));
    }
    if (!this.#saving) this.#saveAll();
  }

  remove(seq: number): void {
    this.#toRemove.add(seq);
    if (this.#toRemove.size === 1) this.#removeAll();
  }

  /** Waits until everything is written, but no longer than `limitMs`. */
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
    item.reject(new UndeliverableError(`the buffer did not store the message: ${why}`));
  }

  async #removeAll(): Promise<void> {
    // Lets further removals from this turn join the batch.
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
