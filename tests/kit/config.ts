/** Reads configurations from variables the way the program does. */

import { readConfig } from "../../config/read.ts";
import type { Config } from "../../config/config.ts";
import { variablesOf } from "../../config/variables.ts";
import { SOURCES } from "../../ingest/sources.ts";

/** The schema of every variable. */
export const VARIABLES = variablesOf(SOURCES);
export const VARIABLE_NAMES: readonly string[] = Object.keys(VARIABLES);

/** The configuration that the program reads from variables and flags, or its problems. */
export function readVariables(env: Readonly<Record<string, string>>, args: readonly string[] = []) {
  return readConfig((name) => env[name], { sources: SOURCES, args });
}

/** @throws {Error} listing every problem. */
export function configOf(
  env: Readonly<Record<string, string>> = {},
  args: readonly string[] = [],
): Config {
  const result = readVariables(env, args);
  if (!result.ok) throw new Error(`Cannot use this configuration: ${JSON.stringify(result)}`);
  return result.config;
}
