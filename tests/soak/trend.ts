/** Whether a series of samples grows. */

export interface Trend {
  /** From the start of the fitted line to its end. */
  readonly growth: number;
  /** How much the samples scatter around the line: two standard deviations. */
  readonly noise: number;
  readonly mean: number;
}

/** Fits a line to the last two thirds of the samples; the first third is warm-up. */
export function trendOf(samples: readonly number[]): Trend {
  const values = samples.slice(Math.floor(samples.length / 3));
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const middle = (n - 1) / 2;
  let [xy, xx] = [0, 0];
  for (const [x, value] of values.entries()) {
    xy += (x - middle) * (value - mean);
    xx += (x - middle) ** 2;
  }
  const slope = xx === 0 ? 0 : xy / xx;
  const squares = values.reduce(
    (sum, value, x) => sum + (value - mean - slope * (x - middle)) ** 2,
    0,
  );
  return { growth: slope * (n - 1), noise: 2 * Math.sqrt(squares / Math.max(1, n - 2)), mean };
}

/** Whether the growth exceeds the noise, a tenth of the mean, and `slack`. */
export function grows({ growth, noise, mean }: Trend, slack = 0): boolean {
  return growth > Math.max(noise, mean / 10, slack);
}

/** The minimum of each `size` samples: memory between two collections says little. */
export function lowest(samples: readonly number[], size: number): number[] {
  const found: number[] = [];
  for (let i = 0; i + size <= samples.length; i += size) {
    found.push(Math.min(...samples.slice(i, i + size)));
  }
  return found;
}

export function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
}
