/** An SSE client that records every event. */

import { within } from "../eventually.ts";
import { type Received, SseParser } from "../received.ts";
import { Recorder, type WaitOptions } from "../recorder.ts";

export interface SseClientOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly lastEventId?: string;
  /** Called with every event instead of recording it, for clients that see millions. */
  readonly onEvent?: (event: Received) => void;
  /** Called when the cursor moves, also by the first `ping`, which is not among the events. */
  readonly onPosition?: (id: string) => void;
  readonly timeoutMs?: number;
  /** For servers whose certificate this machine does not trust. */
  readonly client?: Deno.HttpClient | undefined;
}

export class SseClient implements AsyncDisposable {
  readonly events: Recorder<Received>;
  /** The stream's text as received; empty if `onEvent` is given. */
  raw = "";
  /** Resolves when either side ends the stream. */
  readonly ended: Promise<void>;
  readonly #parser = new SseParser();

  private constructor(
    readonly url: string,
    readonly response: Response,
    private readonly abort: AbortController,
    private readonly options: SseClientOptions,
  ) {
    this.events = new Recorder(`SSE ${url}`);
    this.ended = this.#read();
  }

  /** Opens the stream; rejects with status and body if the server does not answer 200. */
  static async open(url: string, options: SseClientOptions = {}): Promise<SseClient> {
    const abort = new AbortController();
    const headers = {
      accept: "text/event-stream",
      ...(options.lastEventId !== undefined && { "last-event-id": options.lastEventId }),
      ...options.headers,
    };
    const { client } = options;
    const request = fetch(url, { headers, signal: abort.signal, ...(client && { client }) });
    let response: Response;
    try {
      response = await within(`${url} answer`, request, options.timeoutMs);
    } catch (error) {
      abort.abort();
      await request.catch(() => {});
      throw error;
    }
    if (response.status !== 200) {
      throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
    }
    return new SseClient(url, response, abort, options);
  }

  get payloads(): string[] {
    return this.events.items.filter(({ event }) => event === "message").map(({ data }) => data);
  }

  /** What an EventSource would send as `Last-Event-ID`. */
  get lastId(): string | undefined {
    return this.#parser.lastEventId;
  }

  get comments(): readonly string[] {
    return this.#parser.comments;
  }

  get retryMs(): number | undefined {
    return this.#parser.retryMs;
  }

  waitFor(
    predicate: (event: Received, index: number) => boolean,
    options?: WaitOptions,
  ): Promise<Received> {
    return this.events.waitFor(predicate, options);
  }

  waitForEvent(name: string, options?: WaitOptions): Promise<Received> {
    return this.events.waitFor(({ event }) => event === name, options);
  }

  waitForMessages(count: number, timeoutMs?: number): Promise<Received[]> {
    return this.events.waitForCount(count, ({ event }) => event === "message", timeoutMs);
  }

  waitForEnd(timeoutMs?: number): Promise<void> {
    return within(`${this.url} end`, this.ended, timeoutMs);
  }

  async close(): Promise<void> {
    this.abort.abort();
    await this.ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #read(): Promise<void> {
    const { onEvent, onPosition } = this.options;
    try {
      for await (const text of this.response.body!.pipeThrough(new TextDecoderStream())) {
        if (!onEvent) this.raw += text;
        const before = this.#parser.lastEventId;
        const events = this.#parser.push(text);
        for (const event of events) {
          if (onEvent) onEvent(event);
          else this.events.add(event);
        }
        const id = this.#parser.lastEventId;
        if (onPosition && id !== undefined && id !== before) onPosition(id);
        if (events.length === 0) this.events.wake();
      }
    } catch {
      // Aborted by close(), or cut by the server: either way the stream is over.
    }
    this.events.wake();
  }
}
