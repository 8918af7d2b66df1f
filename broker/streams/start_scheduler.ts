/** Runs work that can wait in slices of a few milliseconds, with live messages in between. */

const SLICE_MS = 2;
/** At most this many pass in one turn: some read the store first, and do their work later. */
const AT_ONCE = 8;
/** Microtasks between a pass and the end of the synchronous work that follows it. */
const PROMISES = 5;
/** Used entries of the queue that are kept until they are removed together. */
const MAX_EMPTY = 1_000;

/**
 * Thousands of clients may reconnect at the same moment. Each of them costs little, but all at once
 * they would delay live messages for seconds. So each client passes here before each step of its
 * start, one after another, in order of arrival.
 */
export class StartScheduler implements Disposable {
  #waiting: (() => void)[] = [];
  /** Index of the first waiting entry; those before it have passed. */
  #next = 0;
  /** A client has just passed, and does its work. */
  #isTaken = false;
  /** Passes in the current slice, which ends with the turn at the latest. */
  #passed = 0;
  #endsAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** Number of clients that wait. */
  get waiting(): number {
    return this.#waiting.length - this.#next;
  }

  /** Undefined if the caller may continue at once. */
  pass(): Promise<void> | undefined {
    if (this.#timer === undefined) this.#begin();
    if (this.waiting > 0 || this.#isTaken || !this.#hasTime()) {
      return new Promise((resolve) => this.#waiting.push(resolve));
    }
    this.#passed++;
    this.#letThrough();
    return undefined;
  }

  /** Lets all waiting clients pass. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const resolve of this.#waiting.splice(0).slice(this.#next)) resolve();
    this.#next = 0;
  }

  /** Starts a slice; everything else that is due comes before the next one. */
  #begin(): void {
    this.#passed = 0;
    this.#endsAt = this.now() + SLICE_MS;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.waiting === 0) return;
      this.#begin();
      if (!this.#isTaken) this.#letThrough();
    });
  }

  #hasTime(): boolean {
    return this.#passed < AT_ONCE && this.now() < this.#endsAt;
  }

  /** Lets the next clients pass, each after the synchronous work of the one before. */
  async #letThrough(): Promise<void> {
    this.#isTaken = true;
    for (;;) {
      for (let i = 0; i < PROMISES; i++) await undefined;
      if (this.waiting === 0 || !this.#hasTime()) break;
      this.#passed++;
      this.#waiting[this.#next++]!();
      if (this.#next >= MAX_EMPTY || this.waiting === 0) {
        this.#waiting = this.#waiting.slice(this.#next);
        this.#next = 0;
      }
    }
    this.#isTaken = false;
  }
}
