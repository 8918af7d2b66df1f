import { formatNumber, formatSpan } from "../shared/language.ts";
import type { Readiness, Stats } from "./stats.ts";
import { text } from "./texts.ts";

export interface Problem {
  readonly level: "bad" | "warn";
  readonly words: string;
}

/** What an operator must know first; empty if all is well. */
export function problemsOf(
  stats: Stats,
  readiness: Readiness,
  droppedPerSecond: number | null,
): Problem[] {
  const problems: Problem[] = [];
  const add = (level: Problem["level"], words: string) => problems.push({ level, words });
  const { status, reasons = [] } = readiness;
  if (status === "starting" || status === "draining") {
    add("bad", text("problemNotReady", { state: text(status) }));
  }
  const sources = stats.instances.flatMap(({ id, sources = [] }) =>
    sources.map((source) => ({ ...source, id }))
  );
  // Every instance knows all sources, so it does not matter which one answers.
  const names = new Set(sources.map(({ name }) => name));
  for (const reason of reasons) {
    if (!names.has(reason.split(":")[0]!)) add("bad", text("problemDegraded", { reason }));
  }
  for (const { name, id, state, reason = "" } of sources) {
    if (state !== "waiting") continue;
    add("bad", text("problemSource", { name: `${name} (${id})`, reason }));
  }
  if (stats.ingest_lease === "") add("bad", text("problemNoLease"));
  for (const { id, silent_ms } of stats.silent_instances) {
    add("warn", text("problemSilent", { id, time: formatSpan(silent_ms) }));
  }
  const dead = stats.deliveries?.kept_dead ?? 0;
  if (dead > 0) add("warn", text("problemDead", { count: formatNumber(dead) }));
  if (droppedPerSecond) add("warn", text("problemDropping"));
  return problems;
}
