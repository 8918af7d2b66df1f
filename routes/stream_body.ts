/** The body of an event stream that another server writes, such as `Deno.serve`. */

import type { EventBody } from "../broker/sse_sink.ts";
import { SOCKET_BYTES } from "../broker/sink.ts";

/** Ends the body of a client that does not read; no failure of the server. */
export const UNREAD_STREAM = new Error("The client does not read its stream");

export class StreamBody implements EventBody {
  readonly stream: ReadableStream<Uint8Array>;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;

  constructor(onGone: () => void) {
    this.stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        cancel: () => {
          this.#controller = undefined;
          onGone();
        },
      },
      new ByteLengthQueuingStrategy({ highWaterMark: SOCKET_BYTES }),
    );
  }

  get buffered(): number {
    return SOCKET_BYTES - (this.#controller?.desiredSize ?? 0);
  }

  get isOpen(): boolean {
    return this.#controller !== undefined;
  }

  write(bytes: Uint8Array): void {
    try {
      this.#controller?.enqueue(bytes);
    } catch {
      // Closed between the check and the write: its cancel() tells the session.
      this.#controller = undefined;
    }
  }

  end(): void {
    try {
      this.#controller?.close();
    } catch {
      // The client went first.
    }
    this.#controller = undefined;
  }

  abandon(): void {
    this.#controller?.error(UNREAD_STREAM);
    this.#controller = undefined;
  }
}
