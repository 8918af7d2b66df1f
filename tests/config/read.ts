/** Reads a configuration from given variables. */

import assert from "node:assert/strict";
import type { Config } from "../../config/config.ts";
import { readVariables } from "../kit/config.ts";

export type Variables = Readonly<Record<string, string>>;

export function read(env: Variables, ...args: string[]) {
  return readVariables(env, args);
}

export function good(env: Variables = {}, ...args: string[]): Config {
  const result = read(env, ...args);
  assert.ok(result.ok, JSON.stringify(result));
  return result.config;
}

/** Names of the problems, in the order in which they are reported. */
export function bad(env: Variables, ...args: string[]): string[] {
  const result = read(env, ...args);
  assert.ok(!result.ok, "nothing is wrong");
  return result.problems.map(({ name }) => name);
}

export const KAFKA_ENV = { KAFKA_BOOTSTRAP_SERVERS: "k", KAFKA_TOPIC: "t" };
