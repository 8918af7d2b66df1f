import type { Waiting } from "./waiting.ts";

export interface MailboxOptions<T> {
  readonly waiting: Waiting<T>;
  readonly onReturn: () => void;
}

/** The items that one iterator has not read yet. */
export class Mailbox<T> implements AsyncIterableIterator<T> {
  readonly #options: MailboxOptions<T>;
  #readers: (() => void)[] = [];
  #ended = false;
  #error: Error | undefined;

  constructor(options: MailboxOptions<T>) {
    this.#options = options;
  }

  push(item: T): void {
    if (this.#ended) return;
    this.#options.waiting.push(item);
    this.#wake();
  }

  /** Ends the iteration once the rest is read: quietly, or by throwing `error`. */
  end(error?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#wake();
  }

  async next(): Promise<IteratorResult<T>> {
    const { waiting } = this.#options;
    while (waiting.size === 0) {
      if (this.#error) {
        const error = this.#error;
        this.#error = undefined;
        throw error;
      }
      if (this.#ended) return { done: true, value: undefined };
      await new Promise<void>((resolve) => this.#readers.push(resolve));
    }
    return { done: false, value: waiting.take() };
  }

  return(): Promise<IteratorResult<T>> {
    this.end();
    this.#options.waiting.clear();
    this.#options.onReturn();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #wake(): void {
    const readers = this.#readers;
    this.#readers = [];
    for (const resolve of readers) resolve();
  }
}
