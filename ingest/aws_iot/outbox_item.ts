/** One message in the outbox, and its outcome. */

import type { Outbound } from "./outbound_buffer.ts";

/** `published`: AWS has acknowledged it. `buffered`: it is stored and will be sent later. */
export type Receipt = "published" | "buffered";

/** The message is lost: it is neither acknowledged nor buffered. */
export class UndeliverableError extends Error {
  override readonly name = "UndeliverableError";
}

/** The broker has refused the message; retrying does not help until its rules change. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
}

export class OutboxItem {
  /** Its copy in the buffer: none, being saved, or the `seq` of the copy. */
  seq: number | "saving" | undefined;
  /** Acknowledged, or given up. */
  done = false;
  sentAt = 0;
  /** Its sender has waited long enough for the ack. */
  overdue = false;
  #settled = false;
  readonly #answer = Promise.withResolvers<Receipt>();

  constructor(readonly message: Outbound, seq?: number) {
    this.seq = seq;
    // Nothing waits for the answer of a message from the buffer.
    this.#answer.promise.catch(() => {});
  }

  get answer(): Promise<Receipt> {
    return this.#answer.promise;
  }

  /** Whether it is only in memory, and its sender has no answer yet. */
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
