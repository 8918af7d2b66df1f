/** Messages that a worker was given to publish, and has not answered yet. */

import type { Outgoing } from "./source.ts";

const MAX_MESSAGES = 10_000;
const MAX_BYTES = 16 * 1024 * 1024;
/** A worker that cannot tell in time why a publish failed is given this much longer. */
const GRACE_MS = 500;

interface Pending {
  readonly bytes: number;
  readonly answer: PromiseWithResolvers<void>;
}

/** Bounded: what waits here also waits in the worker's inbox, where nothing can be taken back. */
export class PendingPublishes {
  readonly #pending = new Map<number, Pending>();
  #bytes = 0;
  #lastId = 0;

  /** `loaded` resolves when the worker can answer: loading its code takes as long as it takes. */
  constructor(private readonly loaded: Promise<void>) {}

  /**
   * `post` hands the message to the worker under an id.
   * @throws {Error} where too much waits, the worker says so, or it does not answer in time.
   */
  async add(message: Outgoing, timeoutMs: number, post: (id: number) => void): Promise<void> {
    const bytes = message.topic.length + message.payload.length;
    if (this.#pending.size >= MAX_MESSAGES || this.#bytes + bytes > MAX_BYTES) {
      throw new Error("Cannot publish: too many messages wait for the broker");
    }
    const id = ++this.#lastId;
    const answer = Promise.withResolvers<void>();
    this.#pending.set(id, { bytes, answer });
    this.#bytes += bytes;
    const late = () => answer.reject(new Error(`no answer within ${timeoutMs} ms`));
    let timer: ReturnType<typeof setTimeout> | undefined;
    this.loaded.then(() => {
      if (this.#pending.has(id)) timer = setTimeout(late, timeoutMs + GRACE_MS);
    });
    post(id);
    try {
      await answer.promise;
    } finally {
      clearTimeout(timer);
      this.#pending.delete(id);
      this.#bytes -= bytes;
    }
  }

  /** The worker's answer; `error` is undefined where the broker has the message. */
  settle(id: number, error: string | undefined): void {
    const answer = this.#pending.get(id)?.answer;
    if (error === undefined) answer?.resolve();
    else answer?.reject(new Error(error));
  }

  rejectAll(reason: string): void {
    for (const { answer } of this.#pending.values()) answer.reject(new Error(reason));
  }
}
