/** How fast clients that send a lot are read, so that reading never takes the time of others. */

/** A client may send this at once: two of the largest commands, and some small ones. */
const BURST_BYTES = 147_456;
/** And so much each second, read at once whatever others send. */
const BYTES_PER_SECOND = 4_096;
/** How far a large read may overdraw. */
const MAX_DEBT_BYTES = 4_096;
/** All clients beyond that share this many reads: 1,000 a second. */
const TURN_MS = 10;
const READS_PER_TURN = 10;

/** Clients that sent more than their share wait here, and are read one after another. */
export class ReadQueue {
  readonly #waiting = new Set<() => void>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Calls `resume` when its turn comes. */
  add(resume: () => void): void {
    this.#waiting.add(resume);
    this.#timer ??= setTimeout(() => this.#turn(), TURN_MS);
  }

  delete(resume: () => void): void {
    this.#waiting.delete(resume);
    if (this.#waiting.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #turn(): void {
    this.#timer = undefined;
    let reads = 0;
    for (const resume of this.#waiting) {
      if (reads++ === READS_PER_TURN) break;
      this.#waiting.delete(resume);
      resume();
    }
    if (this.#waiting.size > 0) this.#timer ??= setTimeout(() => this.#turn(), TURN_MS);
  }
}

/** One queue for each thread. */
const queue = new ReadQueue();

/** The share of one client. */
export class ReadPace {
  #bytes = BURST_BYTES;
  #countedAt = performance.now();
  #resume: (() => void) | undefined;

  /** Before a read: undefined where it may begin now, else resolves when it may. */
  wait(): Promise<void> | undefined {
    if (this.#bytes > 0) return undefined;
    const now = performance.now();
    const earned = (now - this.#countedAt) * (BYTES_PER_SECOND / 1000);
    this.#bytes = Math.min(BURST_BYTES, this.#bytes + earned);
    this.#countedAt = now;
    if (this.#bytes > 0) return undefined;
    return new Promise((resolve) => {
      this.#resume = resolve;
      queue.add(resolve);
    });
  }

  /** After a read. */
  count(bytes: number): void {
    this.#bytes = Math.max(-MAX_DEBT_BYTES, this.#bytes - bytes);
  }

  /** Ends a wait now. */
  stop(): void {
    if (!this.#resume) return;
    queue.delete(this.#resume);
    this.#resume();
    this.#resume = undefined;
  }
}
