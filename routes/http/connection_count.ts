/** The number of connections of the process, over all threads. */

/** Each thread counts in its own slot, so the count of a failed thread can be removed. */
export class ConnectionCount {
  readonly #slots: Int32Array;

  constructor(
    readonly buffer = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT),
    private readonly slot = 0,
  ) {
    this.#slots = new Int32Array(buffer);
  }

  static forThreads(threads: number): ConnectionCount {
    return new ConnectionCount(new SharedArrayBuffer(threads * Int32Array.BYTES_PER_ELEMENT));
  }

  get total(): number {
    let total = 0;
    for (let slot = 0; slot < this.#slots.length; slot++) total += Atomics.load(this.#slots, slot);
    return total;
  }

  add(change: 1 | -1): void {
    Atomics.add(this.#slots, this.slot, change);
  }

  /** Clears a slot whose thread is gone. */
  clear(slot: number): void {
    Atomics.store(this.#slots, slot, 0);
  }
}
