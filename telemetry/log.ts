/**
 * The program's log: the one place that writes to the console or to LOG_FILE.
 *
 * The telemetry room: log, metrics, traces and health. It imports config/ for its settings.
 */

import { dirname } from "node:path";
import {
  configure,
  dispose,
  getAnsiColorFormatter,
  getLogger as logtape,
  getTextFormatter,
  type Logger,
  type LogRecord,
} from "@logtape/logtape";
import type { Config } from "../config/config.ts";
import { LogLimit } from "./log_limit.ts";
import { escaped, lineOf, reasonOf, textOf } from "./log_text.ts";

export { type Logger, reasonOf };

/** The logger of a module, e.g. `getLogger("ingest", "mqtt")`. */
export function getLogger(...module: string[]): Logger {
  return logtape(["telecast", ...module]);
}

const plain = getTextFormatter({ timestamp: "rfc3339", category: ".", value: lineOf });
const colored = getAnsiColorFormatter({ timestamp: "time", category: ".", value: lineOf });
const json = getTextFormatter({
  timestamp: "rfc3339",
  category: ".",
  level: "full",
  value: textOf,
  lineEnding: "lf",
  format: ({ timestamp, category, level, message }) =>
    escaped(JSON.stringify({ timestamp, level: level.toLowerCase(), module: category, message })),
});

/** How a record is written, except to a terminal with colors. */
export const FORMATS: Readonly<Record<"json" | "text", (record: LogRecord) => string>> = {
  json,
  text: plain,
};

/** Limit for one kind of line: enough to see what happens, and too little to fill a disk. */
export const LOG_LIMIT = { maxLines: 100, maxWarnings: 20, intervalMs: 10_000 };

/**
 * Configures the sinks. Text on a terminal and JSON elsewhere, unless `format` is set.
 * @throws {Deno.errors.NotFound | Deno.errors.PermissionDenied} if LOG_FILE cannot be opened.
 */
export async function configureLog(config: Config["log"]): Promise<void> {
  const terminal = Deno.stdout.isTerminal();
  const format = config.format ?? (terminal ? "text" : "json");
  const colors = terminal && !Deno.noColor && format === "text";
  const forConsole = colors ? colored : format === "text" ? plain : json;
  const forFile = format === "text" ? plain : json;
  const file = config.file === undefined ? undefined : openLogFile(config.file, forFile);
  const toConsole = writeTo(Deno.stdout, forConsole);
  const limit = new LogLimit((record) => {
    toConsole(record);
    file?.write(record);
  }, LOG_LIMIT);
  const close = () => {
    limit[Symbol.dispose]();
    file?.close();
  };
  await configure({
    reset: true,
    sinks: { all: Object.assign(limit.take, { [Symbol.dispose]: close }), console: toConsole },
    loggers: [
      { category: "telecast", lowestLevel: config.level, sinks: ["all"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["console"] },
    ],
  });
}

/** Flushes and closes the sinks. */
export const closeLog: () => Promise<void> = dispose;

type Format = (record: LogRecord) => string;

function writeTo(stream: { writeSync(bytes: Uint8Array): number }, format: Format) {
  const encoder = new TextEncoder();
  return (record: LogRecord) => {
    try {
      let bytes = encoder.encode(format(record));
      while (bytes.length > 0) bytes = bytes.subarray(stream.writeSync(bytes));
    } catch {
      // A closed pipe or a full disk must not break the code that logs.
    }
  };
}

function openLogFile(path: string, format: Format) {
  // The log is opened before the store, which would otherwise create the folder.
  Deno.mkdirSync(dirname(path), { recursive: true });
  const file = Deno.openSync(path, { append: true, create: true });
  return { write: writeTo(file, format), close: () => file.close() };
}
