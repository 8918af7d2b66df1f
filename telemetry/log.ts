/** The program's log: the one place that writes to the console or to LOG_FILE. */

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
import type { Config } from "../config/read.ts";
import { LogLimit } from "./log_limit.ts";
import { escaped, Fault, lineOf, reasonOf, textOf } from "./log_text.ts";

export { Fault, type Logger, reasonOf };

/** The logger of a module, e.g. `getLogger("ingest", "mqtt")`. */
export function getLogger(...module: string[]): Logger {
  return logtape(["telecast", ...module]);
}

const faults = new Map<string, BoundedLog>();

/**
 * Logs an error that only a mistake in our own code can cause: at `error`, with its stack and its
 * causes, at a bounded rate. For failures that are expected there is {@linkcode reasonOf}.
 */
export function logFault(log: Logger, what: string, error: unknown): void {
  const module = log.category.join(".");
  let bounded = faults.get(module);
  if (!bounded) {
    const write = (text: string) => log.error("{text}", { text });
    faults.set(module, bounded = new BoundedLog(write, { intervalMs: 10_000, maxLines: 10 }));
  }
  if (bounded.admits(what)) log.error("{what}: {fault}", { what, fault: Fault.of(error) });
}

/** The thread or program ends by an error that is in the log already. */
class CrashError extends Error {
  override readonly name = "CrashError";
}

/**
 * Logs what nothing catches in this thread, which then ends as it would: left alone, Deno prints it
 * past the log, URLs and all.
 */
export function logCrashes(log: Logger): void {
  const report = (event: Event, error: unknown) => {
    if (error instanceof CrashError) return;
    event.preventDefault();
    logFault(log, "an error that nothing caught", error);
    setTimeout(() => {
      throw new CrashError("ended by an error that nothing caught; the log has it");
    });
  };
  addEventListener("error", (event) => report(event, event.error));
  addEventListener("unhandledrejection", (event) => report(event, event.reason));
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

/** How a record is written, where no terminal shows it in colors. */
export const FORMATS: Readonly<Record<"json" | "text", (record: LogRecord) => string>> = {
  json,
  text: plain,
};

/** Of one kind of line: enough to see what happens, and too little to fill a disk. */
export const LOG_LIMIT = { maxLines: 100, intervalMs: 10_000 };

/**
 * Configures the sinks. Text on a terminal and JSON elsewhere, unless `format` says which.
 * @throws {Deno.errors.NotFound | Deno.errors.PermissionDenied} where LOG_FILE cannot be opened.
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
      // A closed pipe or a full disk must not end the stream that the line tells of.
    }
  };
}

function openLogFile(path: string, format: Format) {
  // The log is opened before the store, which else makes the folder.
  Deno.mkdirSync(dirname(path), { recursive: true });
  const file = Deno.openSync(path, { append: true, create: true });
  return { write: writeTo(file, format), close: () => file.close() };
}

/** Those that held something back. */
const holding = new Set<BoundedLog>();

/** Tells what was held back, once its interval has passed; to be called every second. */
export function flushBoundedLogs(): void {
  for (const log of holding) log.flush();
}

/**
 * Lets through so many lines an interval, and says how many were held back: for what a client or a
 * device can cause, which must not be able to flood the log.
 */
export class BoundedLog {
  readonly #held = new Map<string, number>();
  #windowEnd = 0;
  #lines = 0;

  constructor(
    private readonly write: (text: string) => void,
    private readonly options: { intervalMs: number; maxLines: number },
  ) {}

  /** Writes `text()` unless the interval's lines are used up; `key` groups what was held back. */
  line(key: string, text: () => string): void {
    if (this.admits(key)) this.write(text());
  }

  /** Whether a line may be written now; where it may not it is counted. */
  admits(key: string): boolean {
    const now = performance.now();
    if (now >= this.#windowEnd) this.#nextWindow(now);
    if (this.#lines < this.options.maxLines) {
      this.#lines++;
      return true;
    }
    if (this.#held.size < 100 || this.#held.has(key)) {
      this.#held.set(key, (this.#held.get(key) ?? 0) + 1);
      holding.add(this);
    }
    return false;
  }

  /** Tells what was held back, once the interval has passed; to be called now and then. */
  flush(): void {
    const now = performance.now();
    if (this.#held.size > 0 && now >= this.#windowEnd) this.#nextWindow(now);
  }

  #nextWindow(now: number): void {
    for (const [key, count] of this.#held) this.write(`${key}: ${count} more like it`);
    this.#held.clear();
    holding.delete(this);
    this.#lines = 0;
    this.#windowEnd = now + this.options.intervalMs;
  }
}
