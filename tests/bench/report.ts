/** The bench's results, for people and for programs. */

import type { Measurement } from "./measure.ts";
import type { TargetName } from "./target.ts";

const RESULTS = new URL("results/", import.meta.url);

/** A line a measurement, a column a target, and Telecast's ratios to the others. */
export function table(measurements: readonly Measurement[], targets: readonly TargetName[]) {
  const others = targets.filter((target) => target !== "telecast");
  const rows = [["", ...targets, ...others.map((other) => `telecast : ${other}`)]];
  const names = [...new Set(measurements.map(({ what, unit }) => `${what} (${unit})`))];
  for (const name of names) {
    const of = (target: TargetName) =>
      measurements.find((m) => m.target === target && `${m.what} (${m.unit})` === name);
    const ratio = (other: TargetName) => {
      const [ours, theirs] = [of("telecast")?.value, of(other)?.value];
      return ours === undefined || !theirs ? "-" : (ours / theirs).toFixed(2);
    };
    const values = targets.map((target) => of(target)?.value.toLocaleString("en") ?? "-");
    rows.push([name, ...values, ...others.map(ratio)]);
  }
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows.map((row) =>
    row.map((cell, i) => i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)).join("  ")
  ).join("\n");
}

/** Writes everything measured to tests/bench/results/ and returns the file's path. */
export async function save(measurements: readonly Measurement[], short: boolean): Promise<string> {
  await Deno.mkdir(RESULTS, { recursive: true });
  const now = new Date().toISOString();
  const path =
    new URL(`${now.replaceAll(":", "-")}${short ? "-short" : ""}.json`, RESULTS).pathname;
  const result = {
    time: now,
    short,
    deno: Deno.version.deno,
    cores: navigator.hardwareConcurrency,
    load: Deno.loadavg(),
    measurements,
  };
  await Deno.writeTextFile(path, JSON.stringify(result, null, 2) + "\n");
  return path;
}
