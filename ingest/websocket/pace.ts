/** How long to wait before the next try: a few quick tries, then slow ones forever. */

export interface PaceOptions {
  /** Tries at the quick pace. */
  readonly tries?: number | undefined;
  readonly quickMs?: number | undefined;
  readonly slowMs?: number | undefined;
}

/** 5 tries 3 s apart, then one about every 30 s, with jitter. */
export class SteadyPace {
  #failures = 0;

  constructor(private readonly options: PaceOptions = {}) {}

  next(): number {
    const { tries = 5, quickMs = 3_000, slowMs = 30_000 } = this.options;
    if (this.#failures++ < tries) return quickMs;
    return Math.round(slowMs * (0.75 + Math.random() / 2));
  }

  reset(): void {
    this.#failures = 0;
  }
}
