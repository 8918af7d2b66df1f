/** Virtual time: due actions run one after another, and nothing waits in real time. */

import { setImmediate } from "node:timers";

/** Returns false if it cannot have let any promise continue. */
export type Action = () => unknown;

interface Due {
  readonly at: number;
  readonly order: number;
  readonly action: Action;
}

export class Scheduler {
  /** Milliseconds since the run began. */
  now = 0;
  steps = 0;
  #order = 0;
  readonly #heap: Due[] = [];

  after(delayMs: number, action: Action): void {
    const heap = this.#heap;
    const due = { at: this.now + Math.max(0, delayMs), order: this.#order++, action };
    let i = heap.length;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!isBefore(due, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = due;
  }

  /**
   * Runs due actions until `done`; false if that is not reached within `limitMs`. Between two
   * actions, every promise that can continue does.
   */
  async run(done: () => boolean, limitMs: number): Promise<boolean> {
    const end = this.now + limitMs;
    while (!done()) {
      const next = this.#heap[0];
      if (!next || next.at > end) {
        this.now = end;
        return false;
      }
      this.#removeFirst();
      // An action may have taken time itself.
      this.now = Math.max(this.now, next.at);
      this.steps++;
      if (next.action() === false) continue;
      // A macrotask comes after all microtasks, however long their chains are.
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    return true;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const moved = heap.pop()!;
    if (heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, moved)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = moved;
  }
}

function isBefore(a: Due, b: Due): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
