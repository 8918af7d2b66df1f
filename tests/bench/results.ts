/** The measured results: several samples of each, of which the median counts. */

import type { TargetName } from "./target.ts";

/** The measured targets: services, and the bare client of a broker. */
export type Measured = TargetName | "bare client";

export interface Figure {
  readonly target: Measured;
  readonly what: string;
  readonly unit: string;
  /** True for latency and memory, for example. */
  readonly lessIsBetter: boolean;
  /** One per round, in order. */
  readonly samples: number[];
}

export interface Sample extends Omit<Figure, "samples" | "lessIsBetter"> {
  readonly lessIsBetter?: boolean;
  readonly value: number;
}

export class Results {
  readonly figures: Figure[] = [];
  /** Lost, repeated or reordered messages, and cases that failed. */
  readonly faults: string[] = [];

  constructor(private readonly onSample: (sample: Sample) => void) {}

  add(sample: Sample): void {
    const { target, what, unit, lessIsBetter = false, value } = sample;
    let figure = this.find(target, what);
    if (!figure) {
      figure = { target, what, unit, lessIsBetter, samples: [] };
      this.figures.push(figure);
    }
    figure.samples.push(value);
    this.onSample(sample);
  }

  find(target: Measured, what: string): Figure | undefined {
    return this.figures.find((figure) => figure.target === target && figure.what === what);
  }

  median(target: Measured, what: string): number | undefined {
    const figure = this.find(target, what);
    return figure && median(figure.samples);
  }
}

export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
