/** Where the time of a V8 profile went. */

interface Node {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; lineNumber: number };
  readonly children?: readonly number[];
}

interface CpuProfile {
  readonly nodes: readonly Node[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export interface Spent {
  readonly name: string;
  /** Microseconds in the function itself. */
  readonly self: number;
  /** Microseconds in the function and in what it called. */
  readonly total: number;
}

/** The code that starts and stops the profiler is not part of the program. */
const PROFILER = "deno_node/inspector.js";

/** Sums the time by function, without idle time. Names are `function file:line`. */
export function spent(profile: CpuProfile): { busy: number; functions: Spent[] } {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map<number, number>();
  for (const { id, children = [] } of profile.nodes) {
    for (const child of children) parents.set(child, id);
  }
  const own = new Map<number, number>();
  profile.samples.forEach((id, i) =>
    own.set(id, (own.get(id) ?? 0) + Math.max(0, profile.timeDeltas[i]!))
  );
  const byName = new Map<string, { self: number; total: number }>();
  const at = (name: string) => {
    const found = byName.get(name) ?? { self: 0, total: 0 };
    byName.set(name, found);
    return found;
  };
  let busy = 0;
  for (const [id, micros] of own) {
    const name = nameOf(nodes.get(id)!);
    if (name === "(idle)") continue;
    busy += micros;
    at(name).self += micros;
    const seen = new Set<string>();
    for (let up: number | undefined = id; up !== undefined; up = parents.get(up)) {
      seen.add(nameOf(nodes.get(up)!));
    }
    for (const caller of seen) at(caller).total += micros;
  }
  const functions = [...byName].map(([name, times]) => ({ name, ...times }));
  const profiler = functions.find(({ name }) => name.includes(PROFILER));
  return {
    busy: busy - (profiler?.self ?? 0),
    functions: functions.filter((one) => one !== profiler),
  };
}

function nameOf({ callFrame: { functionName, url, lineNumber } }: Node): string {
  const file = url.replace(/\?.*/, "").split("/").slice(-2).join("/");
  return `${functionName || "(anonymous)"}${file ? ` ${file}:${lineNumber + 1}` : ""}`;
}
