/** Work that can wait goes on in slices of a few milliseconds: what is live comes between them. */

const SLICE_MS = 4;
/** So many may pass in one turn: some of them read the store, and have their work later. */
const AT_ONCE = 8;
/** Between a pass and the work that it is for. */
const PROMISES = 5;
/** Places of those who are through that are kept until they are cleared away together. */
const MAX_EMPTY = 1_000;

/**
 * Thousands of clients may come back in the same moment. What each of them costs is little, but
 * done at once it would keep live messages waiting for seconds. So each passes here before each
 * part of its beginning, in the order of arrival, one after another.
 */
export class StartScheduler implements Disposable {
  #waiting: (() => void)[] = [];
  /** Those before are through. */
  #next = 0;
  /** Somebody has just passed. */
  #isTaken = false;
  /** Of the slice that runs; it ends with the turn, at the latest. */
  #passed = 0;
  #endsAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** How many wait to go on. */
  get waiting(): number {
    return this.#waiting.length - this.#next;
  }

  /** Undefined where there is time now. */
  pass(): Promise<void> | undefined {
    if (this.#timer === undefined) this.#begin();
    if (this.waiting > 0 || this.#isTaken || !this.#hasTime()) {
      return new Promise((resolve) => this.#waiting.push(resolve));
    }
    this.#passed++;
    this.#letThrough();
    return undefined;
  }

  /** Lets everybody through. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const resolve of this.#waiting.splice(0).slice(this.#next)) resolve();
    this.#next = 0;
  }

  /** Begins a slice; everything else that is due comes before the next one. */
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

  /** Lets the next ones through, each once the one before has done what it does at once. */
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
