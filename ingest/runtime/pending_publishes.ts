/** Messages that a worker was told to publish and has not answered yet. */

import type { Outgoing } from "./source.ts";

const MAX_MESSAGES = 10_000;
const MAX_BYTES = 16 * 1024 * 1024;
/** Extra time for the worker to report itself why a publish failed. */
const GRACE_MS = 500;

interface Pending {
  readonly bytes: number;
  readonly answer: PromiseWithResolvers<void>;
}

/** Bounded: messages that wait here also wait in the worker's queue and cannot be withdrawn. */
export class PendingPublishes {
  readonly #pending = new Map<number, Pending>();
  #bytes = 0;
  #lastId = 0;

  /** `loaded` resolves when the worker can answer; the time to load its code does not count. */
  constructor(private readonly loaded: Promise<void>) {}

  /**
   * `post` passes the message to the worker with an id.
   * @throws {Error} if too much is waiting, the worker reports an error, or it answers too late.
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

  /** Handles the worker's answer; `error` is undefined if the broker has the message. */
  settle(id: number, error: string | undefined): void {
    const answer = this.#pending.get(id)?.answer;
    if (error === undefined) answer?.resolve();
    else answer?.reject(new Error(error));
  }

  rejectAll(reason: string): void {
    for (const { answer } of this.#pending.values()) answer.reject(new Error(reason));
  }
}
