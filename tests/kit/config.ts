/** Configurations from variables, as the program reads them. */

import { type Config, readConfig } from "../../config/read.ts";
import { variablesOf } from "../../config/variables.ts";
import { SOURCES } from "../../ingest/sources.ts";

/** Every variable with its form. */
export const VARIABLES = variablesOf(SOURCES);
export const VARIABLE_NAMES: readonly string[] = Object.keys(VARIABLES);

/** What the program makes of variables and flags, problems too. */
export function readVariables(env: Readonly<Record<string, string>>, args: readonly string[] = []) {
  return readConfig((name) => env[name], { sources: SOURCES, args });
}

/** @throws {Error} with every problem. */
export function configOf(
  env: Readonly<Record<string, string>> = {},
  args: readonly string[] = [],
): Config {
  const result = readVariables(env, args);
  if (!result.ok) throw new Error(`Cannot use this configuration: ${JSON.stringify(result)}`);
  return result.config;
}
