/** Keeps the log bounded, whatever clients and devices cause. */

import type { LogRecord } from "@logtape/logtape";

export interface LogLimitOptions {
  /** Lines of one template in an interval. */
  readonly maxLines: number;
  readonly intervalMs: number;
  readonly now?: () => number;
}

/** Templates stand in the code, and are few; one that is made at run time must not fill memory. */
const MAX_TEMPLATES = 1_000;

interface Template {
  endsAt: number;
  lines: number;
  /** What was held back, and the last record of it. */
  held: number;
  last: LogRecord;
}

/**
 * Lets through a number of lines a template and interval, and then tells how many were held back.
 * Every line goes through it, so no new log call can forget to be bounded.
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
    if (template.lines < this.options.maxLines) {
      template.lines++;
      this.write(record);
      return;
    }
    template.held++;
    template.last = record;
    this.#timer ??= this.#tellLater();
  };

  /** Tells what was held back in intervals that are over, or in all. */
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
    // It keeps no program alive; what is held back at the end is told by dispose.
    Deno.unrefTimer(timer);
    return timer;
  }
}
