/** Tables of a soak's results. */

import { grows, lowest, percentile, type Trend, trendOf } from "./trend.ts";
import type { Watch } from "./watch.ts";

/** Seconds from the start of a fault until every client had all its messages. */
export type Recoveries = Map<string, number[]>;

const MIB = 1024 * 1024;
/** Samples in a window: one every 5 s makes half a minute. */
const WINDOW = 6;

export function faultTable(recoveries: Recoveries): string {
  const rows = [...recoveries].sort(([a], [b]) => a.localeCompare(b)).map(([name, seconds]) => [
    name,
    String(seconds.length),
    percentile(seconds, 0.5).toFixed(1),
    Math.max(...seconds).toFixed(1),
  ]);
  return tableOf(["fault", "times", "recovered after, s (median)", "max"], rows);
}

export interface Figure {
  readonly name: string;
  readonly trend: Trend;
  readonly grew: boolean;
}

/** The measures that must not grow, of the instance that survived the whole soak. */
export function figuresOf(watch: Watch): Figure[] {
  const inside = watch.inside;
  // Name, samples, and the growth to tolerate.
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
    ["one instance, minimum of each half minute", "mean", "growth", "noise", ""],
    rows,
  );
}

export function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, i) => Math.max(cell.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}
