/** Reports the bench's results, as tables and as JSON. */

import { verdicts } from "./goals.ts";
import { type Figure, type Measured, median, type Results } from "./results.ts";

const RESULTS = new URL("results/", import.meta.url);
/** On a quiet machine, the samples of one run differ by less than this by chance. */
const MIN_CHANGE = 0.05;

interface Saved {
  readonly figures: readonly Figure[];
}

/** One line per result, one column per target: medians with the samples' spread in percent. */
export function figureTable({ figures }: Results): string {
  const targets = [...new Set(figures.map(({ target }) => target))];
  const names = [...new Set(figures.map(({ what, unit }) => `${what} (${unit})`))];
  const cell = (target: Measured, name: string) => {
    const found = figures.find((f) => f.target === target && `${f.what} (${f.unit})` === name);
    if (!found) return "-";
    const value = median(found.samples);
    const span = (Math.max(...found.samples) - Math.min(...found.samples)) / value / 2;
    return `${shown(value)}${found.samples.length > 1 ? ` ±${Math.round(span * 100)}%` : ""}`;
  };
  return aligned([
    ["", ...targets],
    ...names.map((name) => [name, ...targets.map((target) => cell(target, name))]),
  ]);
}

/** One line per goal that this run could check. */
export function goalTable(results: Results): string {
  const rows = verdicts(results, navigator.hardwareConcurrency)
    .map(({ name, value, wanted, verdict }) => [name, value.toFixed(2), wanted, verdict]);
  return aligned([["goal", "is", "wanted", "met"], ...rows]);
}

/** One line per result of Telecast that differs from an earlier run by more than the noise. */
export async function comparison({ figures }: Results, path: string): Promise<string> {
  const former: Saved = JSON.parse(await Deno.readTextFile(path));
  const rows: string[][] = [];
  let same = 0;
  for (const figure of figures) {
    if (figure.target !== "telecast") continue;
    const then = former.figures.find(({ target, what, unit }) =>
      target === figure.target && what === figure.what && unit === figure.unit
    );
    if (!then) continue;
    const [before, now] = [median(then.samples), median(figure.samples)];
    const apart = Math.min(...figure.samples) > Math.max(...then.samples) ||
      Math.max(...figure.samples) < Math.min(...then.samples);
    if (!apart || Math.abs(now / before - 1) < MIN_CHANGE) {
      same++;
      continue;
    }
    const better = figure.lessIsBetter ? now < before : now > before;
    rows.push([
      figure.what,
      `${shown(before)} -> ${shown(now)} ${figure.unit}`,
      `x${(now / before).toFixed(2)}`,
      better ? "better" : "WORSE",
    ]);
  }
  return aligned([...rows, [`${same} results within the noise`, "", "", ""]]);
}

/** Writes everything measured to tests/bench/results/ and returns the file's path. */
export async function save({ figures, faults }: Results): Promise<string> {
  await Deno.mkdir(RESULTS, { recursive: true });
  const time = new Date().toISOString();
  const path = new URL(`${time.replaceAll(":", "-")}.json`, RESULTS).pathname;
  const saved = {
    time,
    deno: Deno.version.deno,
    cores: navigator.hardwareConcurrency,
    load: Deno.loadavg(),
    faults,
    figures,
  };
  await Deno.writeTextFile(path, JSON.stringify(saved, null, 2) + "\n");
  return path;
}

function shown(value: number): string {
  return value.toLocaleString("en", { maximumSignificantDigits: value >= 1000 ? 9 : 3 });
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows.map((row) =>
    row.map((cell, i) => i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)).join("  ")
  ).join("\n");
}
