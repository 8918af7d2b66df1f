/** The flags of the command line. */

import type { SourceDeclaration } from "./source_declaration.ts";

const FLAGS = ["--no-http", "--check", "--shadow", "--dev", "--help", "-h"];

/** Every flag, including those that select sources. */
export function flagsOf(sources: readonly SourceDeclaration[]): ReadonlySet<string> {
  return new Set([...sources.flatMap(({ flags }) => flags), ...FLAGS]);
}

/** The sources that the flags select; all of them if no flag selects any. */
export function selectedBy(
  args: ReadonlySet<string>,
  sources: readonly SourceDeclaration[],
): { readonly sources: readonly SourceDeclaration[]; readonly byFlag: boolean } {
  const selected = sources.filter(({ flags }) => flags.some((flag) => args.has(flag)));
  return selected.length > 0 ? { sources: selected, byFlag: true } : { sources, byFlag: false };
}
