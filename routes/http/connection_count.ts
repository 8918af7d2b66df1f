/** How many connections the process has, whatever its threads. */

/** Each thread counts in a slot of its own, so one that fails is simply counted out. */
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

  /** Counts out what was in a slot: its thread is gone. */
  clear(slot: number): void {
    Atomics.store(this.#slots, slot, 0);
  }
}
