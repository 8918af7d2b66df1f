import type { TelecastError } from "./types.ts";

/** What the client reports; a fatal one ends its iterators. */
export class StreamError extends Error implements TelecastError {
  override readonly name = "TelecastError";
  readonly code: string;
  readonly fatal: boolean;
  readonly status: number | undefined;

  constructor(
    { code, message, status }: { code: string; message: string; status?: number | undefined },
    fatal = false,
  ) {
    super(message);
    this.code = code;
    this.fatal = fatal;
    this.status = status;
  }
}
