/** Limits the size and the duration of a request body, and requires it to be complete. */

import type { MiddlewareHandler } from "hono";
import { ProblemError } from "./problem.ts";

export interface BodyLimits {
  readonly maxBytes: number;
  /** From the request's head to the last byte. */
  readonly ms: number;
}

/** The reader of the body gets the problem, if there is one. */
export function limitBody(limits: BodyLimits): MiddlewareHandler {
  return async (c, next) => {
    const { body } = c.req.raw;
    if (!body) return await next();
    if (Number(c.req.header("content-length") ?? 0) > limits.maxBytes) {
      throw new ProblemError(tooLarge(limits));
    }
    const reader = new BodyReader(body, limits);
    c.req.raw = new Request(c.req.raw, { body: reader.stream });
    try {
      await next();
    } finally {
      reader.stop();
    }
  };
}

class BodyReader {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #bytes = 0;
  #over = false;

  constructor(body: ReadableStream<Uint8Array<ArrayBuffer>>, private readonly limits: BodyLimits) {
    this.#reader = body.getReader();
    this.stream = new ReadableStream({
      start: (controller) => {
        this.#timer = setTimeout(() => this.#fail(controller, tooSlow(limits)), limits.ms);
      },
      pull: (controller) => this.#pull(controller),
      cancel: () => this.stop(),
    }, { highWaterMark: 0 });
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#over = true;
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>): Promise<void> {
    const read = await this.#reader.read().catch(() => undefined);
    if (this.#over) return;
    if (!read) return this.#fail(controller, BROKEN);
    if (read.done) {
      this.stop();
      return controller.close();
    }
    this.#bytes += read.value.length;
    if (this.#bytes > this.limits.maxBytes) return this.#fail(controller, tooLarge(this.limits));
    controller.enqueue(read.value);
  }

  #fail(controller: ReadableStreamDefaultController, problem: Problem): void {
    if (this.#over) return;
    this.stop();
    controller.error(new ProblemError(problem));
  }
}

type Problem = ConstructorParameters<typeof ProblemError>[0];

const BROKEN: Problem = {
  status: 400,
  code: "broken_body",
  detail: "The body ends too early, or its chunked encoding is invalid",
  headers: { connection: "close" },
};

function tooLarge({ maxBytes }: BodyLimits): Problem {
  return { status: 413, code: "body_too_large", detail: `The body exceeds ${maxBytes} bytes` };
}

function tooSlow({ ms }: BodyLimits): Problem {
  return {
    status: 408,
    code: "body_timeout",
    detail: `The body did not arrive within ${ms / 1000} s`,
    headers: { connection: "close" },
  };
}
