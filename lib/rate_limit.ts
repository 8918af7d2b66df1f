/** Limits how many things happen per second. */

export interface RateOptions {
  readonly perSecond: number;
  /** How many may pass at once after a pause. */
  readonly burst: number;
  monotonic(): number;
}

/** A token bucket: any second sees at most the rate plus one burst. */
export class RateLimit {
  #tokens: number;
  #at: number;

  constructor(private readonly options: RateOptions) {
    this.#tokens = options.burst;
    this.#at = options.monotonic();
  }

  /** Takes one token and returns 0, or returns the ms until there is one. */
  take(): number {
    const { perSecond, burst } = this.options;
    const now = this.options.monotonic();
    this.#tokens = Math.min(burst, this.#tokens + (now - this.#at) * perSecond / 1000);
    this.#at = now;
    if (this.#tokens >= 1) {
      this.#tokens--;
      return 0;
    }
    return Math.max(1, Math.ceil((1 - this.#tokens) * 1000 / perSecond));
  }
}
