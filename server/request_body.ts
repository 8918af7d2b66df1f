/** The body of a request (RFC 9112, 6 and 7.1). */

import type { Input } from "./input.ts";

const READ_BYTES = 16_384;
const MAX_LINE_BYTES = 1_024;
const MAX_TRAILER_LINES = 100;
const SIZE = /^([0-9A-Fa-f]{1,12})[ \t]*(?:;.*)?$/;
const latin1 = new TextDecoder("latin1");

/** The client left before the end of its body, or its body is malformed. */
export class BrokenBodyError extends Error {
  override readonly name = "BrokenBodyError";
}

export interface BodyListener {
  /** Called before waiting for more, with the number of bytes received. */
  onWait(received: number): void;
  /** The whole body has been received. */
  onEnd(): void;
}

/** Read once: by the handler, or by the server that looks for the next request. */
export class RequestBody {
  /** Bytes of the body, or of the current chunk, still to come. */
  left: number;
  /** Bytes of the body received so far. */
  received = 0;
  isComplete = false;
  isBroken = false;
  readonly #isChunked: boolean;
  #isWithinChunks = false;

  constructor(
    private readonly input: Input,
    framing: number | "chunked",
    private readonly listener: BodyListener,
  ) {
    this.#isChunked = framing === "chunked";
    this.left = framing === "chunked" ? 0 : framing;
  }

  /**
   * The next bytes; undefined after the last.
   * @throws {BrokenBodyError}
   */
  async next(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (this.isBroken) throw new BrokenBodyError("The body cannot be read");
    if (this.isComplete) return undefined;
    if (this.left === 0) await this.#nextChunk();
    if (this.isComplete) return undefined;
    if (this.input.bytes.length === 0) await this.#more(Math.min(this.left, READ_BYTES));
    const bytes = this.input.bytes.slice(0, this.left);
    this.input.skip(bytes.length);
    this.left -= bytes.length;
    this.received += bytes.length;
    if (this.left === 0 && !this.#isChunked) this.#complete();
    return bytes;
  }

  /** For a `Request`: reads only on demand. */
  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return new ReadableStream({
      pull: async (controller) => {
        const bytes = await this.next();
        if (bytes) controller.enqueue(bytes);
        if (this.isComplete) controller.close();
      },
    }, { highWaterMark: 0 });
  }

  async #nextChunk(): Promise<void> {
    if (this.#isWithinChunks && await this.#line() !== "") throw this.#broken("the end of a chunk");
    const size = SIZE.exec(await this.#line())?.[1];
    if (size === undefined) throw this.#broken("the size of a chunk");
    this.left = parseInt(size, 16);
    this.#isWithinChunks = true;
    if (this.left > 0) return;
    for (let lines = 0; await this.#line() !== ""; lines++) {
      if (lines === MAX_TRAILER_LINES) throw this.#broken("the end of its trailer");
    }
    this.#complete();
  }

  async #line(): Promise<string> {
    for (let from = 0;;) {
      const { bytes } = this.input;
      const end = bytes.indexOf(10, from);
      if (end > MAX_LINE_BYTES || end < 0 && bytes.length > MAX_LINE_BYTES) {
        throw this.#broken("the end of a line");
      }
      if (end >= 0) {
        const line = latin1.decode(bytes.subarray(0, bytes[end - 1] === 13 ? end - 1 : end));
        this.input.skip(end + 1);
        return line;
      }
      from = bytes.length;
      await this.#more();
    }
  }

  async #more(room = 1): Promise<void> {
    this.listener.onWait(this.received);
    if (!await this.input.more(room)) throw this.#broken("its end");
  }

  #complete(): void {
    this.isComplete = true;
    this.listener.onEnd();
  }

  #broken(missing: string): BrokenBodyError {
    this.isBroken = true;
    return new BrokenBodyError(`The body lacks ${missing}`);
  }
}
