/** Variables that are set, but that the program does not read. */

import type { SourceDeclaration } from "./source_declaration.ts";
import { variablesOf } from "./variables.ts";

export interface UnknownVariable {
  readonly name: string;
  /** The variable that was most likely meant. */
  readonly like: string;
}

/** Names that differ from a known one in one or two letters: likely typing errors. */
export function unknownVariables(
  names: Iterable<string>,
  sources: readonly SourceDeclaration[],
): UnknownVariable[] {
  const known = Object.keys(variablesOf(sources));
  const found: UnknownVariable[] = [];
  for (const name of names) {
    if (known.includes(name)) continue;
    const like = known.find((one) => distance(name, one) <= (one.length > 5 ? 2 : 1));
    if (like !== undefined) found.push({ name, like });
  }
  return found;
}

/** Variables of a source whose address is not set: nothing reads them. */
export function unusedVariables(
  set: readonly string[],
  sources: readonly SourceDeclaration[],
): { name: string; without: string }[] {
  return sources.flatMap(({ addresses, unusedWithoutAddress = [] }) =>
    addresses.some((address) => set.includes(address))
      ? []
      : unusedWithoutAddress.filter((name) => set.includes(name))
        .map((name) => ({ name, without: addresses.join(" or ") }))
  );
}

/** All names in the environment that may be read; none if Deno does not allow the list. */
export function environmentNames(): string[] {
  try {
    return Object.keys(Deno.env.toObject());
  } catch {
    return [];
  }
}

/** How many letters have to be inserted, deleted or changed. */
function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return Infinity;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
