/** A soak's tables. */

import { grows, lowest, percentile, type Trend, trendOf } from "./trend.ts";
import type { Watch } from "./watch.ts";

/** Seconds from a fault's begin until every client had everything again. */
export type Recoveries = Map<string, number[]>;

const MIB = 1024 * 1024;
/** Samples that come every 5 s, joined into half minutes. */
const WINDOW = 6;

export function faultTable(recoveries: Recoveries): string {
  const rows = [...recoveries].sort(([a], [b]) => a.localeCompare(b)).map(([name, seconds]) => [
    name,
    String(seconds.length),
    percentile(seconds, 0.5).toFixed(1),
    Math.max(...seconds).toFixed(1),
  ]);
  return tableOf(["fault", "times", "whole again, s (median)", "most"], rows);
}

export interface Figure {
  readonly name: string;
  readonly trend: Trend;
  readonly grew: boolean;
}

/** What must not grow, of the instance that lived through all of it. */
export function figuresOf(watch: Watch): Figure[] {
  const inside = watch.inside;
  // Name, samples, and what may come and go without meaning anything.
  const series: [string, readonly number[], number][] = [
    ["resident memory, MiB", watch.residentBytes.map((bytes) => bytes / MIB), 16],
    ["heap, MiB", inside.map(({ heapUsed }) => heapUsed / MIB), 8],
    ["handles", watch.handles, 20],
    ["timers", inside.map(({ timers, intervals }) => timers + intervals), 5],
    ["event loop's delay p99, ms", inside.map(({ delayP99Ms }) => delayP99Ms), 20],
  ];
  return series.map(([name, values, slack]) => {
    const trend = trendOf(lowest(values, WINDOW));
    return { name, trend, grew: grows(trend, slack) };
  });
}

export function figureTable(figures: readonly Figure[]): string {
  const rows = figures.map(({ name, trend: { mean, growth, noise }, grew }) => [
    name,
    mean.toFixed(1),
    `${growth >= 0 ? "+" : ""}${growth.toFixed(1)}`,
    noise.toFixed(1),
    grew ? "GROWS" : growth <= noise ? "within noise" : "small",
  ]);
  return tableOf(
    ["of one instance, lowest of each half minute", "mean", "growth", "noise", ""],
    rows,
  );
}

export function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, i) => Math.max(cell.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}
