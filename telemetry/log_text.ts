/** Values as the log shows them: in one line, with limited length, and without secrets. */

const MAX_TEXT_CHARS = 2_000;
const MAX_FRAMES = 16;
const MAX_CAUSES = 5;
const USER_INFO = /:\/\/[^\s/?#@'"]*@/g;
/** A query or fragment, up to the end of the word: it may contain quotes and brackets. */
const QUERY = /[?#][^\s?#]*=\S*/g;
const TOKENS = /\b((?:access_)?token|password|secret)=[^\s&"'<>]+/gi;

/** A bug in our own code, logged with its stack and causes; see `logFault()`. */
export class Fault {
  private constructor(
    /** One line for each error, and one for each frame of its stack. */
    readonly lines: readonly string[],
  ) {}

  static of(error: unknown): Fault {
    return new Fault(linesOf(error, "", MAX_CAUSES));
  }

  /** Restores a fault that another thread serialized with {@linkcode Fault.toString}. */
  static from(text: string): Fault {
    return new Fault(text.split("\n"));
  }

  toString(): string {
    return this.lines.join("\n");
  }
}

/**
 * The message of an expected failure: a broker that is down, a store that does not answer. For
 * errors that only a bug in our own code can cause, use `logFault()`, which logs the stack too.
 */
export function reasonOf(error: unknown): string {
  return withoutSecrets(error instanceof Error ? error.message : String(error));
}

/**
 * A value in one line. Control characters are escaped, because they could forge a line or control a
 * terminal.
 */
export function lineOf(value: unknown): string {
  if (value instanceof Fault) return value.lines.map(escaped).join("\n");
  return escaped(textOf(value));
}

/** Text as is; of an error, only its message. */
export function textOf(value: unknown): string {
  if (value instanceof Fault) return value.toString();
  if (typeof value === "string") return withoutSecrets(value);
  if (value instanceof Error) return reasonOf(value);
  return withoutSecrets(Deno.inspect(value, { breakLength: Infinity }));
}

export function escaped(text: string): string {
  // deno-lint-ignore no-control-regex -- these must be escaped
  return text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/**
 * Removes the query of any URL, and the user and password before its host: errors of `fetch`, of
 * `new URL` and of brokers repeat the URL, and both may contain tokens. Long texts are cut.
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

/** The stack without its head, which repeats the message, including its line breaks. */
function framesOf({ name, message, stack = "" }: Error): string[] {
  const head = message === "" ? name : `${name}: ${message}`;
  const rest = stack.startsWith(head) ? stack.slice(head.length) : stack;
  const frames = rest.split("\n").filter((line) => /^\s+at /.test(line));
  return frames.slice(0, MAX_FRAMES).map(withoutSecrets);
}
