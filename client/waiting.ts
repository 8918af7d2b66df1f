/** A bounded queue of items for a reader. */
export interface Waiting<T> {
  readonly size: number;
  push(item: T): void;
  /** Removes the next item; there must be one. */
  take(): T;
  clear(): void;
}

export interface WaitingOptions {
  readonly maxItems: number;
  /** The oldest item was lost, since there were too many. */
  readonly onOverflow: () => void;
}

/** Every item, in order. */
export class AllWaiting<T> implements Waiting<T> {
  readonly #options: WaitingOptions;
  readonly #items: T[] = [];
  /** Items before this index were read; they are removed in blocks, since `shift()` is linear. */
  #read = 0;

  constructor(options: WaitingOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#items.length - this.#read;
  }

  push(item: T): void {
    if (this.size >= this.#options.maxItems) {
      this.take();
      this.#options.onOverflow();
    }
    this.#items.push(item);
  }

  take(): T {
    const item = this.#items[this.#read++]!;
    if (this.#read >= 1024 || this.#read === this.#items.length) {
      this.#items.splice(0, this.#read);
      this.#read = 0;
    }
    return item;
  }

  clear(): void {
    this.#items.length = this.#read = 0;
  }
}

/** The newest item of each key, in the order in which keys began to wait: none waits forever. */
export class NewestWaiting<T> implements Waiting<T> {
  readonly #options: WaitingOptions & { readonly keyOf: (item: T) => unknown };
  readonly #items = new Map<unknown, T>();

  constructor(options: WaitingOptions & { readonly keyOf: (item: T) => unknown }) {
    this.#options = options;
  }

  get size(): number {
    return this.#items.size;
  }

  push(item: T): void {
    // An item without a key replaces no other.
    const key = this.#options.keyOf(item) ?? {};
    if (!this.#items.has(key) && this.size >= this.#options.maxItems) {
      this.take();
      this.#options.onOverflow();
    }
    this.#items.set(key, item);
  }

  take(): T {
    const [key, item] = this.#items.entries().next().value!;
    this.#items.delete(key);
    return item;
  }

  clear(): void {
    this.#items.clear();
  }
}
