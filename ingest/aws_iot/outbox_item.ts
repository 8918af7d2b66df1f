/** One message in the outbox, and what becomes of it. */

import type { Outbound } from "./outbound_buffer.ts";

/** `published`: AWS has acknowledged it. `buffered`: it is kept, and goes out later. */
export type Receipt = "published" | "buffered";

/** Nobody has the message: it is neither acknowledged nor kept. */
export class UndeliverableError extends Error {
  override readonly name = "UndeliverableError";
}

/** The broker has refused the message; trying again does not help until its rules change. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
}

export class OutboxItem {
  /** Its copy in the buffer: none, on its way, or the place. */
  seq: number | "saving" | undefined;
  /** Acknowledged, or given up. */
  done = false;
  sentAt = 0;
  /** Whoever sent it has waited long enough for the ack. */
  overdue = false;
  #settled = false;
  readonly #answer = Promise.withResolvers<Receipt>();

  constructor(readonly message: Outbound, seq?: number) {
    this.seq = seq;
    // A message out of the buffer has nobody who waits for its answer.
    this.#answer.promise.catch(() => {});
  }

  get answer(): Promise<Receipt> {
    return this.#answer.promise;
  }

  /** In memory alone, and neither acknowledged nor refused to whoever sent it. */
  get unsaved(): boolean {
    return this.seq === undefined && !this.done && !this.#settled;
  }

  resolve(receipt: Receipt): void {
    this.#settled = true;
    this.#answer.resolve(receipt);
  }

  reject(error: Error): void {
    this.#settled = true;
    this.#answer.reject(error);
  }
}
