/** How long acks take. */

export interface LatencyFigures {
  readonly count: number;
  readonly p50_ms: number | null;
  readonly p99_ms: number | null;
  readonly max_ms: number | null;
}

const KEPT = 1_000;

/** Percentiles over the last 1,000 measurements. */
export class Latency {
  readonly #recent: number[] = [];
  count = 0;

  add(ms: number): void {
    this.#recent[this.count++ % KEPT] = ms;
  }

  figures(): LatencyFigures {
    const sorted = this.#recent.toSorted((a, b) => a - b);
    const at = (share: number) => {
      const ms = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
      return ms === undefined ? null : Math.round(ms * 10) / 10;
    };
    return { count: this.count, p50_ms: at(0.5), p99_ms: at(0.99), max_ms: at(1) };
  }
}
