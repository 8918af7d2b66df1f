export interface MailboxOptions {
  readonly maxItems: number;
  readonly onOverflow: () => void;
  readonly onReturn: () => void;
}

/** What one iterator has yet to read: bounded, and the oldest goes first when it is full. */
export class Mailbox<T> implements AsyncIterableIterator<T> {
  readonly #options: MailboxOptions;
  readonly #items: T[] = [];
  /** Items before this index were read; they are cut off in blocks, since `shift()` is linear. */
  #read = 0;
  #readers: (() => void)[] = [];
  #ended = false;
  #error: Error | undefined;

  constructor(options: MailboxOptions) {
    this.#options = options;
  }

  push(item: T): void {
    if (this.#ended) return;
    if (this.#items.length - this.#read >= this.#options.maxItems) {
      this.#take();
      this.#options.onOverflow();
    }
    this.#items.push(item);
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
    while (this.#read === this.#items.length) {
      if (this.#error) {
        const error = this.#error;
        this.#error = undefined;
        throw error;
      }
      if (this.#ended) return { done: true, value: undefined };
      await new Promise<void>((resolve) => this.#readers.push(resolve));
    }
    return { done: false, value: this.#take() };
  }

  return(): Promise<IteratorResult<T>> {
    this.end();
    this.#items.length = this.#read = 0;
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

  #take(): T {
    const item = this.#items[this.#read++]!;
    if (this.#read >= 1024 || this.#read === this.#items.length) {
      this.#items.splice(0, this.#read);
      this.#read = 0;
    }
    return item;
  }
}
