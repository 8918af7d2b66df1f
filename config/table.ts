/** The configuration as a table: each variable with a value, and where the value comes from. */

import type { z } from "zod";
import type { Env } from "./read.ts";
import type { SourceDeclaration } from "./source_declaration.ts";
import { variablesOf } from "./variables.ts";

/** Names of variables whose values are secret, unless they are numbers: those are limits. */
const SECRET = /PASSWORD|TOKEN|SECRET|RECIPIENTS/;
const MAX_CHARS = 60;

/** Lines of text. Secrets are shown as `set`, addresses without credentials and queries. */
export function configTable(
  env: Env,
  { sources, args }: {
    readonly sources: readonly SourceDeclaration[];
    readonly args: readonly string[];
  },
): string {
  const set: string[][] = [];
  const presets: string[][] = [];
  for (const [name, form] of Object.entries(variablesOf(sources))) {
    const given = env(name);
    const parsed = (value?: string) => (form as z.ZodType).safeParse(value).data;
    if (given !== undefined && given.trim() !== "") {
      const isSecret = SECRET.test(name) && typeof parsed(given) !== "number";
      set.push([name, isSecret ? "set" : shown(given), "environment"]);
    } else {
      const preset = parsed();
      if (preset !== undefined) presets.push([name, shown(String(preset)), "default"]);
    }
  }
  const flags = args.map((arg) => [arg, "", "command line"]);
  const rows = [["variable", "value", "from"], ...set, ...flags, ...presets];
  const widths = [0, 1].map((i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows.map(([name, value, from]) =>
    `${name!.padEnd(widths[0]!)}  ${value!.padEnd(widths[1]!)}  ${from}`
  ).join("\n");
}

function shown(value: string): string {
  const plain = value.trim()
    // deno-lint-ignore no-control-regex -- these must not reach a terminal
    .replace(/[\x00-\x1f\x7f-\x9f]/g, "?")
    .replace(/^([a-z]+:\/\/)?\S*@/i, "$1…@")
    .replace(/\?.*$/, "?…");
  return plain.length > MAX_CHARS ? `${plain.slice(0, MAX_CHARS - 1)}…` : plain;
}
