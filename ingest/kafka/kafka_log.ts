/** Passes log lines of kafkajs to the program's log, limited in number and without secrets. */

import kafkajs, { type LogEntry } from "kafkajs";
import { BoundedLines } from "../runtime/bounded_lines.ts";
import type { SourceLogLevel } from "../runtime/source.ts";

type Write = (level: SourceLogLevel, text: string) => void;

/** Parts of kafkajs that only repeat what the source's state says. */
const QUIET = new Set(["Connection", "BrokerPool", "Cluster", "Consumer", "Runner"]);
const BOUNDS = { intervalMs: 60_000, maxLines: 5 };

/** A `logCreator` for kafkajs that masks `secrets` wherever they appear. */
export function kafkaLog(write: Write, secrets: readonly string[]) {
  const bounded = {
    debug: new BoundedLines((text) => write("debug", text), BOUNDS),
    warning: new BoundedLines((text) => write("warning", text), BOUNDS),
  };
  return () => ({ namespace, level, log }: LogEntry) => {
    const quiet = QUIET.has(namespace) || level > kafkajs.logLevel.WARN;
    bounded[quiet ? "debug" : "warning"].line(
      `kafkajs ${namespace}`,
      () => withoutSecrets(`kafkajs ${namespace}: ${textOf(log)}`, secrets),
    );
  };
}

const MAX_TEXT_CHARS = 500;
const SHOWN = ["broker", "topic", "partition", "error"] as const;

function textOf(log: LogEntry["log"]): string {
  const extra = SHOWN.filter((name) => typeof log[name] === "string" || Number.isInteger(log[name]))
    .map((name) => `${name}=${log[name]}`);
  return [log.message, ...extra].join(" ").slice(0, MAX_TEXT_CHARS);
}

function withoutSecrets(text: string, secrets: readonly string[]): string {
  return secrets.reduce((clean, secret) => clean.replaceAll(secret, "***"), text);
}
