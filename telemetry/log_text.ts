/** Values as a log shows them: in one line, of bounded length, and without secrets. */

const MAX_TEXT_CHARS = 2_000;
const MAX_FRAMES = 16;
const MAX_CAUSES = 5;
const USER_INFO = /:\/\/[^\s/?#@'"]*@/g;
/** Or a fragment, to the end of the word: quotes and brackets may be a part of it. */
const QUERY = /[?#][^\s?#]*=\S*/g;
const TOKENS = /\b((?:access_)?token|password|secret)=[^\s&"'<>]+/gi;

/** A mistake in our own code, to be logged with its stack and causes; see `logFault()`. */
export class Fault {
  private constructor(
    /** One an error, and one a frame of its stack. */
    readonly lines: readonly string[],
  ) {}

  static of(error: unknown): Fault {
    return new Fault(linesOf(error, "", MAX_CAUSES));
  }

  /** What another thread made of an error, by {@linkcode Fault.toString}. */
  static from(text: string): Fault {
    return new Fault(text.split("\n"));
  }

  toString(): string {
    return this.lines.join("\n");
  }
}

/**
 * What an expected failure says: a broker that is away, a store that does not answer. For what only
 * a mistake in our own code can cause there is `logFault()`, which logs the stack too.
 */
export function reasonOf(error: unknown): string {
  return withoutSecrets(error instanceof Error ? error.message : String(error));
}

/** A value in one line; control characters, which could forge a line or move a terminal, escaped. */
export function lineOf(value: unknown): string {
  if (value instanceof Fault) return value.lines.map(escaped).join("\n");
  return escaped(textOf(value));
}

/** Text as it is; an error by its message alone. */
export function textOf(value: unknown): string {
  if (value instanceof Fault) return value.toString();
  if (typeof value === "string") return withoutSecrets(value);
  if (value instanceof Error) return reasonOf(value);
  return withoutSecrets(Deno.inspect(value, { breakLength: Infinity }));
}

export function escaped(text: string): string {
  // deno-lint-ignore no-control-regex -- those are what must not come through
  return text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/**
 * Without the query of any URL, and the user and password before its host: errors of `fetch`, of
 * `new URL` and of brokers repeat the URL, and tokens stand in both. Long texts are cut.
 */
export function withoutSecrets(text: string): string {
  const start = text.length > MAX_TEXT_CHARS ? `${text.slice(0, MAX_TEXT_CHARS)}…` : text;
  return start.replace(USER_INFO, "://…@").replace(QUERY, "?…").replace(TOKENS, "$1=…");
}

function linesOf(error: unknown, prefix: string, causes: number): string[] {
  if (!(error instanceof Error)) return [prefix + textOf(error)];
  const head = `${prefix}${error.name}: ${reasonOf(error)}`;
  const lines = [head, ...framesOf(error)];
  if (error.cause === undefined || causes === 0) return lines;
  return [...lines, ...linesOf(error.cause, "  [cause]: ", causes - 1)];
}

/** The stack without its head, which repeats the message, line breaks and all. */
function framesOf({ name, message, stack = "" }: Error): string[] {
  const head = message === "" ? name : `${name}: ${message}`;
  const rest = stack.startsWith(head) ? stack.slice(head.length) : stack;
  const frames = rest.split("\n").filter((line) => /^\s+at /.test(line));
  return frames.slice(0, MAX_FRAMES).map(withoutSecrets);
}
