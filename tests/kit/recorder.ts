/** Records everything that a test client saw, in order, and can wait for more. */

import { PATIENCE_MS } from "./patience.ts";
import { lastOutputs } from "./servers/process.ts";

export interface WaitOptions {
  readonly timeoutMs?: number;
  /** Index of the first item to consider; 0 by default. */
  readonly from?: number;
}

export class Recorder<T> {
  readonly items: T[] = [];
  readonly #waiting = new Set<() => void>();

  /** `name` and `show` are used in failure messages. */
  constructor(
    private readonly name: string,
    private readonly show: (item: T) => string = (item) => JSON.stringify(item),
  ) {}

  add(item: T): void {
    this.items.push(item);
    if (this.#waiting.size > 0) this.wake();
  }

  /** Makes waiters check again, for conditions that depend on more than the items. */
  wake(): void {
    for (const check of this.#waiting) check();
  }

  /** The first item, past or future, that `predicate` accepts. */
  async waitFor(
    predicate: (item: T, index: number) => boolean,
    { timeoutMs, from = 0 }: WaitOptions = {},
  ): Promise<T> {
    let next = from;
    let found: T | undefined;
    await this.waitUntil(() => {
      while (next < this.items.length) {
        const item = this.items[next]!;
        if (predicate(item, next++)) {
          found = item;
          return true;
        }
      }
      return false;
    }, timeoutMs);
    return found!;
  }

  /** Resolves with the accepted items once `predicate` has accepted `count` of them. */
  async waitForCount(
    count: number,
    predicate: (item: T) => boolean = () => true,
    timeoutMs?: number,
  ): Promise<T[]> {
    let next = 0;
    const found: T[] = [];
    await this.waitUntil(
      () => {
        for (; next < this.items.length; next++) {
          if (predicate(this.items[next]!)) found.push(this.items[next]!);
        }
        return found.length >= count;
      },
      timeoutMs,
      () => `${found.length} of ${count}`,
    );
    return found;
  }

  /** Waits until `condition` holds; it is checked whenever an item arrives. */
  waitUntil(
    condition: () => boolean,
    timeoutMs = PATIENCE_MS,
    progress: () => string = () => "no match",
  ): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const end = () => {
        clearTimeout(timer);
        this.#waiting.delete(check);
      };
      const check = () => {
        if (!condition()) return;
        end();
        resolve();
      };
      const timer = setTimeout(() => {
        end();
        const last = this.items.slice(-5).map((item) => `\n  ${this.show(item).slice(0, 400)}`);
        reject(
          new Error(
            `${this.name} saw ${progress()} within ${timeoutMs} ms; ${this.items.length} items, ` +
              `the last ones:${last.join("")}${lastOutputs()}`,
          ),
        );
      }, timeoutMs);
      this.#waiting.add(check);
    });
  }
}
