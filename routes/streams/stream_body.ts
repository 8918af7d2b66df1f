/** The body of an event stream that another server writes, such as `Deno.serve`. */

import type { EventBody } from "../../broker/streams/sse_sink.ts";
import { LINGER_MS, SOCKET_BYTES } from "../../broker/streams/sink.ts";

/** Ends the body of a client that does not read; not a failure of the server. */
export const UNREAD_STREAM = new Error("The client does not read its stream");

export class StreamBody implements EventBody {
  readonly stream: ReadableStream<Uint8Array>;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #isEnded = false;
  #written = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `onGone` is called when the client is gone, or does not read the end of its stream. */
  constructor(private readonly onGone: () => void) {
    this.stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        cancel: () => this.finished(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: SOCKET_BYTES }),
    );
  }

  get buffered(): number {
    return SOCKET_BYTES - (this.#controller?.desiredSize ?? SOCKET_BYTES);
  }

  get taken(): number {
    return this.#written - this.buffered;
  }

  get isOpen(): boolean {
    return this.#controller !== undefined && !this.#isEnded;
  }

  write(bytes: Uint8Array): void {
    if (!this.isOpen) return;
    try {
      this.#controller!.enqueue(bytes);
      this.#written += bytes.length;
    } catch {
      // Closed between the check and the write: cancel() informs the session.
      this.#controller = undefined;
    }
  }

  end(): void {
    if (!this.isOpen) return;
    this.#isEnded = true;
    try {
      this.#controller!.close();
      this.#linger();
    } catch {
      // The client closed first.
    }
  }

  abandon(): void {
    this.#controller?.error(UNREAD_STREAM);
    this.finished();
  }

  /** The answer is over: the client has read it, or is gone. */
  finished(): void {
    clearTimeout(this.#timer);
    this.#controller = undefined;
    this.onGone();
  }

  /** Stops waiting for a client that does not read: the server itself would wait forever. */
  #linger(): void {
    const before = this.#controller?.desiredSize;
    this.#timer = setTimeout(() => {
      if (this.#controller?.desiredSize === before) this.abandon();
      else this.#linger();
    }, LINGER_MS);
  }
}
