/** One connection that sends messages in. Each is answered once it is durable, in order. */

import { checkInbound, type InboundMessage } from "../messages/inbound_message.ts";
import type { Inbox } from "./inbox.ts";

export interface InboundTotals {
  /** All frames, valid or not. */
  received: number;
  /** Messages that were queued as work. */
  queued: number;
  /** Messages whose ids were already known. */
  repeat: number;
  /** Frames that were not a message or too large, and messages without a handler. */
  refused: number;
  /** Connections that were closed because they did not wait for answers. */
  overflowed: number;
}

/** State that the peers of one server share. */
export interface InboundHost {
  readonly totals: InboundTotals;
  readonly inbox: Inbox;
  readonly maxMessageBytes: number;
  /** False if nothing handles the messages: every one is refused. */
  readonly isTaken: boolean;
  /** Bytes of the unanswered messages of all peers. */
  waitingBytes: number;
  /** Called for each message: false if too much work waits. */
  admit(): boolean;
}

/** What a peer needs of its WebSocket. */
export interface PeerSocket {
  readonly bufferedAmount: number;
  send(text: string): void;
  close(code: number, reason: string): void;
}

export const MAX_FRAME_BYTES = 65_536;
const MAX_ERRORS_A_MINUTE = 100;
/** Maximum number and bytes of unanswered messages of one peer. */
const MAX_UNANSWERED = 10_000;
const MAX_UNANSWERED_BYTES = 8_388_608;
/** Maximum for all peers together: messages wait in memory while the store is unavailable. */
const MAX_WAITING_BYTES = 67_108_864;
/** Approximate size of one answer. */
const ANSWER_BYTES = 300;
/** Maximum bytes of answers that the peer has not read. */
const MAX_BUFFERED_BYTES = 1_048_576;

const POLICY_VIOLATION = 1008;
const TOO_BIG = 1009;
const TRY_AGAIN_LATER = 1013;

interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly id?: string | undefined;
}

/** The refusal if messages from people have no handler. */
export const NO_BACKEND = {
  code: "no_backend",
  message: "this server accepts no messages from people: BACKEND_URL is not set",
} as const;
/** Refusals that are not the peer's fault, and never close its connection. */
const OURS: ReadonlySet<string> = new Set([NO_BACKEND.code, "queue_full"]);

export class InboundPeer {
  readonly #gone = new AbortController();
  #unanswered = 0;
  #unansweredBytes = 0;
  #last: Promise<void> = Promise.resolve();
  #errors = 0;
  #minute = 0;
  #leaving = false;

  constructor(private readonly socket: PeerSocket, private readonly host: InboundHost) {}

  /** Handles a frame; never throws. */
  receive(data: unknown): void {
    if (this.#gone.signal.aborted || this.#leaving) return;
    const bytes = bytesOf(data);
    if (bytes > MAX_FRAME_BYTES) return this.receiveTooBig();
    this.host.totals.received++;
    const messages = this.#read(data, bytes);
    if ("code" in messages) {
      this.host.totals.refused++;
      return this.#answer(Promise.resolve(messages), bytes);
    }
    if (messages.length === 0) return this.#answer(Promise.resolve({ id: null }), bytes);
    for (const message of messages) {
      const refusal = this.#refusalOf(message);
      // A refused message holds no memory but that of its answer.
      if (refusal) this.#answer(Promise.resolve(refusal), ANSWER_BYTES);
      else this.#answer(this.#store(message), message.body.length);
    }
  }

  /** Handles a frame that is longer than {@linkcode MAX_FRAME_BYTES}. */
  receiveTooBig(): void {
    this.close(TOO_BIG, "frame too big");
  }

  /** Closes the connection once everything received is answered, or when the signal aborts. */
  async leave(reason: string, reconnectMs: number, signal: AbortSignal): Promise<void> {
    this.#leaving = true;
    const stop = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    await Promise.race([this.#last, ...(signal.aborted ? [] : [stop])]);
    this.#send("goodbye", { reason, reconnect_ms: reconnectMs });
    this.close(1001, "going away");
  }

  close(code: number, reason: string): void {
    if (this.#gone.signal.aborted) return;
    this.end();
    this.socket.close(code, reason);
  }

  /** The connection is gone: messages that are not durable yet will not be answered. */
  end(): void {
    this.#gone.abort(new Error("the peer is gone"));
  }

  #read(data: unknown, bytes: number): readonly InboundMessage[] | Refusal {
    if (bytes > this.host.maxMessageBytes) {
      return {
        code: "too_large",
        message: `a message may have at most ${this.host.maxMessageBytes} bytes`,
      };
    }
    let text: string;
    let value: unknown;
    try {
      text = typeof data === "string" ? data : new TextDecoder("utf-8", { fatal: true }).decode(
        data as ArrayBuffer,
      );
      value = JSON.parse(text);
    } catch {
      return { code: "bad_json", message: "a message must be JSON text" };
    }
    const checked = checkInbound(value, text);
    if (checked.kind === "messages") return checked.messages;
    return {
      code: "bad_message",
      message: `${checked.field} is missing or invalid: a message needs id, from and its content`,
      id: checked.id,
    };
  }

  #refusalOf({ id }: InboundMessage): Refusal | undefined {
    const { host } = this;
    if (!host.isTaken) {
      host.totals.refused++;
      return { ...NO_BACKEND, id };
    }
    if (host.waitingBytes <= MAX_WAITING_BYTES && host.admit()) return undefined;
    return { code: "queue_full", message: "the queue is full: send it again later", id };
  }

  async #store(message: InboundMessage): Promise<{ id: string | null; status: string }> {
    const status = await this.host.inbox.store(message, this.#gone.signal);
    this.host.totals[status]++;
    return { id: message.id ?? null, status };
  }

  /** Answers with the outcome of a message, after the answers to those before it. */
  #answer(outcome: Promise<Refusal | { readonly id: string | null }>, bytes: number): void {
    const { host } = this;
    this.#unanswered++;
    this.#unansweredBytes += bytes;
    host.waitingBytes += bytes;
    if (this.#unanswered > MAX_UNANSWERED || this.#unansweredBytes > MAX_UNANSWERED_BYTES) {
      this.host.totals.overflowed++;
      outcome.catch(() => {}).finally(() => host.waitingBytes -= bytes);
      return this.close(TRY_AGAIN_LATER, "too many unanswered messages");
    }
    this.#last = Promise.all([outcome, this.#last]).then(([said]) => {
      this.#unanswered--;
      this.#unansweredBytes -= bytes;
      if ("code" in said) this.#error(said);
      else this.#send("ack", said);
    }).catch(() => {
      // The peer is gone, or the program stops: the peer resends what was not answered.
    }).finally(() => host.waitingBytes -= bytes);
  }

  #error(refusal: Refusal): void {
    this.#send("error", refusal);
    if (OURS.has(refusal.code)) return;
    const minute = Math.floor(performance.now() / 60_000);
    if (minute !== this.#minute) this.#errors = 0;
    this.#minute = minute;
    if (++this.#errors > MAX_ERRORS_A_MINUTE) this.close(POLICY_VIOLATION, "too many errors");
  }

  #send(event: string, data: unknown): void {
    if (this.#gone.signal.aborted) return;
    if (this.socket.bufferedAmount > MAX_BUFFERED_BYTES) {
      return this.close(POLICY_VIOLATION, "answers are not read");
    }
    this.socket.send(JSON.stringify({ event, data }));
  }
}

function bytesOf(data: unknown): number {
  if (typeof data === "string") {
    return data.length * 3 <= MAX_FRAME_BYTES ? data.length : new TextEncoder().encode(data).length;
  }
  return data instanceof ArrayBuffer ? data.byteLength : 0;
}
