/** Sends messages to a broker: in order, bounded, each with a timeout. */

import type { Outgoing } from "../runtime/source.ts";
import type { Connection } from "./connection.ts";

export interface OutflowLimits {
  /** Bytes of unacknowledged messages in flight; a larger message is sent alone. */
  readonly maxBytes?: number | undefined;
  /** A connection is closed if acks are missing, or come too slowly, for this long. */
  readonly ackLimitMs?: number | undefined;
}

interface Item {
  readonly message: Outgoing;
  readonly bytes: number;
  sentAt: number;
  resolve(): void;
  reject(error: Error): void;
}

const MAX_IN_FLIGHT = 1_000;
const MAX_BYTES = 8 * 1024 * 1024;
/** Longer than any caller waits: a slow broker fails publishes before it loses the connection. */
const ACK_LIMIT_MS = 60_000;

/**
 * A message waits here until there is a connection and room in the broker's window. A sent message
 * stays in the client until its ack, even after its caller has given up. So for a broker that
 * acknowledges nothing, at most one window of messages is kept.
 */
export class Outflow {
  readonly #waiting = new Set<Item>();
  /** Oldest first. */
  readonly #sent = new Set<Item>();
  #sentBytes = 0;
  /** When the broker last acknowledged or refused a message. */
  #answeredAt = 0;
  #connection: Connection | undefined;
  #ackTimer: ReturnType<typeof setTimeout> | undefined;

  /** `at` is the broker's `host:port`, for messages. */
  constructor(private readonly at: string, private readonly limits: OutflowLimits = {}) {}

  /** @throws {Error} if there is no ack within `timeoutMs`, or the broker refuses the message. */
  publish(message: Outgoing, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(item);
        const what = this.#connection ? "sent no ack" : "was not connected";
        reject(new Error(`${this.at} ${what} within ${timeoutMs} ms`));
      }, timeoutMs);
      const item: Item = {
        message,
        bytes: message.topic.length + message.payload.length,
        sentAt: 0,
        resolve: () => {
          clearTimeout(timer);
          resolve();
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      this.#waiting.add(item);
      this.#send();
    });
  }

  /** The connection to send over; undefined while there is none. */
  set connection(connection: Connection | undefined) {
    this.#connection = connection;
    if (connection) this.#send();
    else {
      clearTimeout(this.#ackTimer);
      this.#ackTimer = undefined;
    }
  }

  /** Sends nothing more, and rejects waiting messages. */
  close(): void {
    this.connection = undefined;
    for (const item of this.#waiting) {
      item.reject(new Error("Cannot publish: the source is stopped"));
    }
    this.#waiting.clear();
  }

  #send(): void {
    const connection = this.#connection;
    if (!connection) return;
    for (const item of this.#waiting) {
      if (!this.#hasRoom(item, connection)) break;
      this.#waiting.delete(item);
      this.#sent.add(item);
      this.#sentBytes += item.bytes;
      item.sentAt = performance.now();
      connection.publish(item.message).then(
        () => this.#settle(item, item.resolve),
        (error) => this.#settle(item, () => item.reject(error)),
      );
    }
    if (this.#sent.size > 0) this.#ackTimer ??= this.#checkAcksAfter(this.#ackLimitMs);
  }

  #hasRoom({ bytes }: Item, { receiveMaximum }: Connection): boolean {
    if (this.#sent.size === 0) return true;
    return this.#sent.size < Math.min(MAX_IN_FLIGHT, receiveMaximum) &&
      this.#sentBytes + bytes <= (this.limits.maxBytes ?? MAX_BYTES);
  }

  #settle(item: Item, answer: () => void): void {
    this.#sent.delete(item);
    this.#sentBytes -= item.bytes;
    this.#answeredAt = performance.now();
    answer();
    this.#send();
  }

  get #ackLimitMs(): number {
    return this.limits.ackLimitMs ?? ACK_LIMIT_MS;
  }

  #checkAcksAfter(ms: number): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      this.#ackTimer = undefined;
      const [oldest] = this.#sent;
      if (!oldest || !this.#connection) return;
      // A broker's rules may drop a single message; that alone ends nothing while there is room.
      const since = this.#waiting.size > 0
        ? oldest.sentAt
        : Math.max(oldest.sentAt, this.#answeredAt);
      const leftMs = since + this.#ackLimitMs - performance.now();
      if (leftMs > 0) this.#ackTimer = this.#checkAcksAfter(leftMs);
      else this.#connection.end(500, `${this.at} does not acknowledge published messages`);
    }, ms);
  }
}
