/** Limits the size of the log, whatever clients and devices cause. */

import type { LogRecord } from "@logtape/logtape";

export interface LogLimitOptions {
  /** Maximum lines of one template in an interval. */
  readonly maxLines: number;
  /** The same for warnings and errors, which devices and mistakes can cause. */
  readonly maxWarnings: number;
  readonly intervalMs: number;
  readonly now?: () => number;
}

/** Templates are part of the code, and few; those made at run time must not fill the memory. */
const MAX_TEMPLATES = 1_000;

const WARNINGS: ReadonlySet<LogRecord["level"]> = new Set(["warning", "error", "fatal"]);

interface Template {
  endsAt: number;
  lines: number;
  /** Number of lines held back, and the last one of them. */
  held: number;
  last: LogRecord;
}

/**
 * Passes a limited number of lines per template and interval, then logs how many were held back.
 * Every line goes through it, so the limit applies to every new log call.
 */
export class LogLimit implements Disposable {
  readonly #templates = new Map<string, Template>();
  readonly #now: () => number;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly write: (record: LogRecord) => void,
    private readonly options: LogLimitOptions,
  ) {
    this.#now = options.now ?? (() => performance.now());
  }

  readonly take = (record: LogRecord): void => {
    const now = this.#now();
    const template = this.#templateOf(record, now);
    if (now >= template.endsAt) this.#next(template, now);
    const { maxWarnings, maxLines } = this.options;
    const isWarning = WARNINGS.has(record.level);
    if (template.lines < (isWarning ? maxWarnings : maxLines)) {
      template.lines++;
      this.write(record);
      return;
    }
    template.held++;
    template.last = record;
    this.#timer ??= this.#tellLater();
  };

  /** Logs how many lines were held back in the intervals that are over, or in all. */
  flush(all = true): void {
    const now = this.#now();
    for (const template of this.#templates.values()) {
      if (all || now >= template.endsAt) this.#next(template, now);
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.flush();
  }

  #templateOf(record: LogRecord, now: number): Template {
    const name = `${record.category.join(".")} ${String(record.rawMessage)}`;
    const known = this.#templates.get(name);
    if (known) return known;
    const isNew = this.#templates.size < MAX_TEMPLATES;
    const shared = isNew ? undefined : this.#templates.get("");
    const template = shared ??
      { endsAt: now + this.options.intervalMs, lines: 0, held: 0, last: record };
    this.#templates.set(isNew ? name : "", template);
    return template;
  }

  #next(template: Template, now: number): void {
    const { held, last } = template;
    template.endsAt = now + this.options.intervalMs;
    template.lines = 0;
    template.held = 0;
    if (held > 0) {
      this.write({ ...last, message: [`${held} more like: ${String(last.rawMessage)}`] });
    }
  }

  #tellLater(): ReturnType<typeof setTimeout> {
    const timer = setTimeout(() => {
      this.#timer = undefined;
      this.flush(false);
    }, this.options.intervalMs);
    // It does not keep the program alive; dispose logs what is held back at the end.
    Deno.unrefTimer(timer);
    return timer;
  }
}
