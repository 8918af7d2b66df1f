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
import type { Config } from "./config.ts";

export type { Logger };

/** The logger of a module, e.g. `getLogger("ingest", "mqtt")`. */
export function getLogger(...module: string[]): Logger {
  return logtape(["telecast", ...module]);
}

const plain = getTextFormatter({ timestamp: "rfc3339", category: ".", value: asLine });
const colored = getAnsiColorFormatter({ timestamp: "time", category: ".", value: asLine });
const json = getTextFormatter({
  timestamp: "rfc3339",
  category: ".",
  level: "full",
  value: asText,
  lineEnding: "lf",
  format: ({ timestamp, category, level, message }) =>
    escaped(JSON.stringify({ timestamp, level: level.toLowerCase(), module: category, message })),
});

/** Text without secrets; errors by their message alone: a stack helps nobody who reads a log. */
function asText(value: unknown): string {
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return withoutSecrets(value);
  if (value instanceof Error) return withoutSecrets(value.message);
  return withoutSecrets(Deno.inspect(value, { breakLength: Infinity }));
}

const URLS = /\b([a-z][a-z0-9+.-]{0,20}:\/\/)(?:[^\s\/?#"'<>@]*@)?([^\s?#"'<>]*)(\?[^\s#"'<>]*)?/gi;
const TOKENS = /\b((?:access_)?token|password|secret)=[^\s&"'<>]+/gi;

/** Errors name the URL that they are about: its user and its query stay out of the log. */
function withoutSecrets(text: string): string {
  if (!text.includes("://") && !text.includes("=")) return text;
  return text.replace(URLS, (_url, scheme, rest, query) => scheme + rest + (query ? "?…" : ""))
    .replace(TOKENS, "$1=…");
}

/** In one line, and nothing in it that moves a terminal: ids and topics are of anybody's making. */
function asLine(value: unknown): string {
  return escaped(asText(value));
}

function escaped(text: string): string {
  // deno-lint-ignore no-control-regex -- those are what must not come through
  return text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** How a record is written, where no terminal shows it in colors. */
export const FORMATS: Readonly<Record<"json" | "text", (record: LogRecord) => string>> = {
  json,
  text: plain,
};

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
  await configure({
    reset: true,
    sinks: { console: writeTo(Deno.stdout, forConsole), file: file ?? (() => {}) },
    loggers: [
      {
        category: "telecast",
        lowestLevel: config.level,
        sinks: ["console", "file"],
      },
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
  return Object.assign(writeTo(file, format), { [Symbol.dispose]: () => file.close() });
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
    const now = performance.now();
    if (now >= this.#windowEnd) this.#nextWindow(now);
    if (this.#lines < this.options.maxLines) {
      this.#lines++;
      this.write(text());
    } else if (this.#held.size < 100 || this.#held.has(key)) {
      this.#held.set(key, (this.#held.get(key) ?? 0) + 1);
      holding.add(this);
    }
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
