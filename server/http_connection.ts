/** A client's HTTP/1 connection: requests, one after another, until a stream takes it over. */

import type { StartScheduler } from "../broker/streams/start_scheduler.ts";
import { closed } from "../telemetry/metrics.ts";
import { problem } from "../routes/http/problem.ts";
import type { Connection } from "./connection.ts";
import { Exchange, type ExchangeClient, type ExchangeOptions, type Stream } from "./exchange.ts";
import { Input } from "./input.ts";
import { ReadPace } from "./read_pace.ts";
import { BadRequestError, endOfHead, parseHead } from "./request_head.ts";

export interface HttpOptions extends ExchangeOptions {
  /** Time for the head of a request, from its first byte. */
  readonly headMs: number;
  /** Time between two requests. */
  readonly idleMs: number;
  readonly maxHeadBytes: number;
  /** Turns for requests that a client sends before it has the answer to the previous one. */
  readonly turns: StartScheduler;
}

export interface HttpClient extends Omit<ExchangeClient, "input"> {
  /** The host of a request that names none, as HTTP/1.0 allows. */
  readonly host: string;
}

/**
 * How the connection ended or who takes it over; `first` is what arrived after the part read so
 * far.
 */
export type Outcome =
  | { readonly kind: "over" }
  | { readonly kind: "stream"; readonly stream: Stream; readonly first: Uint8Array }
  /** The client speaks HTTP/2 and has not been answered. */
  | { readonly kind: "http2"; readonly first: Uint8Array };

/** RFC 9113, 3.4. */
const HTTP2_PREFACE = new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export class HttpConnection {
  readonly #input: Input;
  readonly #exchange: Exchange;

  constructor(private readonly client: HttpClient, private readonly options: HttpOptions) {
    this.#input = new Input(client.connection);
    this.#exchange = new Exchange({ ...client, input: this.#input }, options);
  }

  /** Resolves when the connection ends or is handed over. */
  async serve(): Promise<Outcome> {
    const input = this.#input;
    const { connection, socket } = this.client;
    try {
      for (let isFirst = true;; isFirst = false) {
        if (!isFirst && input.bytes.length > 0) await this.options.turns.pass();
        const length = await this.#nextHead(isFirst);
        if (length === undefined) break;
        if (length === "http2") {
          socket.work();
          return { kind: "http2", first: input.bytes.slice() };
        }
        const head = parseHead(input.bytes.subarray(0, length), this.client.host);
        input.skip(length);
        const result = await this.#exchange.answer(head);
        if (result === "end") break;
        if (result === "next") continue;
        socket.work();
        return { kind: "stream", stream: result, first: input.bytes.slice() };
      }
    } catch (error) {
      if (!(error instanceof BadRequestError)) throw error;
      await this.#exchange.refuse(problem(error.problem));
    }
    socket.wait();
    connection.pace = new ReadPace();
    connection.end();
    return { kind: "over" };
  }

  /** Resolves with the head's length when it is complete; with undefined if none arrives. */
  async #nextHead(isFirst: boolean): Promise<number | "http2" | undefined> {
    const { headMs, idleMs, maxHeadBytes } = this.options;
    const { connection, socket } = this.client;
    const input = this.#input;
    socket.wait();
    let hasBegun = isFirst;
    let timer = isFirst
      ? closeAfter(headMs, connection, "handshake_timeout")
      : closeAfter(idleMs, connection, "idle_timeout");
    try {
      for (let searched = 0;;) {
        this.#skipEmptyLines();
        const { bytes } = input;
        if (!hasBegun && bytes.length > 0) {
          hasBegun = true;
          clearTimeout(timer);
          timer = closeAfter(headMs, connection, "handshake_timeout");
        }
        if (isFirst && mayBeHttp2(bytes)) {
          if (bytes.length >= HTTP2_PREFACE.length) return "http2";
        } else {
          const length = endOfHead(bytes, searched);
          if ((length ?? bytes.length) > maxHeadBytes) throw tooLong(bytes);
          if (length !== undefined) return length;
          searched = Math.max(0, bytes.length - 3);
        }
        socket.hold(input.held);
        const length = bytes.length;
        if (await input.more()) continue;
        if (length === 0 || connection.over) return undefined;
        throw brokenOff();
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Some clients send an empty line after a body (RFC 9112, 2.2). */
  #skipEmptyLines(): void {
    const { bytes } = this.#input;
    let count = 0;
    while (bytes[count] === 13 || bytes[count] === 10) count++;
    if (count > 0) this.#input.skip(count);
  }
}

/** Closes and counts the connection, unless the timer is cleared before. */
export function closeAfter(
  ms: number,
  connection: Connection,
  reason: string,
): ReturnType<typeof setTimeout> {
  return setTimeout(() => {
    closed.count(reason);
    connection.close();
  }, ms);
}

function mayBeHttp2(bytes: Uint8Array): boolean {
  const length = Math.min(bytes.length, HTTP2_PREFACE.length);
  for (let i = 0; i < length; i++) if (bytes[i] !== HTTP2_PREFACE[i]) return false;
  return length > 0;
}

function brokenOff(): BadRequestError {
  return new BadRequestError({
    status: 400,
    code: "bad_request",
    detail: "The request ended before its headers were complete",
  });
}

function tooLong(bytes: Uint8Array): BadRequestError {
  const lineEnd = bytes.indexOf(10);
  const isUrl = lineEnd < 0 || lineEnd > bytes.length / 2;
  return new BadRequestError(
    isUrl
      ? { status: 414, code: "url_too_long", detail: "The URL is too long: see MAX_URL_BYTES" }
      : {
        status: 431,
        code: "headers_too_large",
        detail: "The headers are too long: see MAX_HEADER_BYTES",
      },
  );
}
