/** Limits the log lines of a worker about single messages, before they reach the main thread. */

/**
 * Lets through a limited number of lines per interval and reports how many were left out: for lines
 * that a client or a device can cause, so that they cannot flood the log.
 */
export class BoundedLines {
  readonly #held = new Map<string, number>();
  #windowEnd = 0;
  #lines = 0;

  constructor(
    private readonly write: (text: string) => void,
    private readonly options: { intervalMs: number; maxLines: number },
  ) {}

  /** Writes `text()` unless the interval's lines are used up; `key` groups the lines left out. */
  line(key: string, text: () => string): void {
    if (this.admits(key)) this.write(text());
  }

  /** Whether a line may be written now; if not, it is counted. */
  admits(key: string): boolean {
    const now = performance.now();
    if (now >= this.#windowEnd) this.#nextWindow(now);
    if (this.#lines < this.options.maxLines) {
      this.#lines++;
      return true;
    }
    if (this.#held.size < 100 || this.#held.has(key)) {
      this.#held.set(key, (this.#held.get(key) ?? 0) + 1);
    }
    return false;
  }

  /** Reports the lines left out, once the interval has passed; must be called regularly. */
  flush(): void {
    const now = performance.now();
    if (this.#held.size > 0 && now >= this.#windowEnd) this.#nextWindow(now);
  }

  #nextWindow(now: number): void {
    for (const [key, count] of this.#held) this.write(`${key}: ${count} more like it`);
    this.#held.clear();
    this.#lines = 0;
    this.#windowEnd = now + this.options.intervalMs;
  }
}
