/** Handles messages while nothing can be stored: holds the parser, then buffers, then drops. */

import type { Intake } from "../runtime/source.ts";
import { RECEIVE_MAXIMUM } from "./connect_options.ts";
import type { Inbound } from "./connection.ts";

export interface IngressBufferOptions {
  readonly intake: Intake;
  /** How long the parser, and by TCP the broker, is held after the last progress. */
  readonly holdMs?: number;
  /** Messages and bytes that are kept after that. QoS 0 messages beyond them are dropped. */
  readonly maxBacklog?: number;
  readonly maxBacklogBytes?: number;
}

const HOLD_MS = 3_000;
const MAX_BACKLOG = 10_000;
const MAX_BACKLOG_BYTES = 16 * 1024 * 1024;

/**
 * Passes messages on in order. Without credit it first holds the parser. If there is no progress
 * for `holdMs`, the parser continues and the backlog fills. When the backlog is full, QoS 0
 * messages are dropped and counted. QoS 1 and 2 messages are never dropped: MQTT 5 bounds them by
 * the receive maximum, for which there is room beyond the limit. Before MQTT 5, a broker that sends
 * even more is held for as long as it takes.
 */
export class IngressBuffer {
  readonly #backlog: Inbound[] = [];
  #backlogBytes = 0;
  #head = 0;
  /** Held parsers; more than one only if the last packets of an old connection wait too. */
  readonly #held: (() => void)[] = [];
  /** Parsers that wait until there is room. */
  readonly #stuck: (() => void)[] = [];
  #unsettled = 0;
  #holdTimer: ReturnType<typeof setTimeout> | undefined;
  #progressAt = 0;
  #waiting = false;
  #stopped = false;
  #settled: PromiseWithResolvers<void> | undefined;

  constructor(private readonly options: IngressBufferOptions) {}

  /** Whether a parser is held right now. */
  get holding(): boolean {
    return this.#held.length + this.#stuck.length > 0;
  }

  get backlog(): number {
    return this.#backlog.length - this.#head;
  }

  /** `done` is called when the parser may continue: now, or when there is room again. */
  take(message: Inbound, done: () => void): void {
    if (this.#stopped) return done();
    if (this.backlog === 0 && !this.options.intake.ready()) {
      this.#pass(message);
      return done();
    }
    if (this.backlog === 0) this.#progressAt = performance.now();
    const fits = this.#fits(message.ack !== undefined);
    if (fits || message.ack) this.#push(message);
    else this.options.intake.dropped(1, "QoS 0 messages while nothing could be stored");
    if (fits && this.#mayHold()) this.#held.push(done);
    else if (!fits && message.ack) this.#stuck.push(done);
    else done();
    this.#wait();
  }

  /** Removes unacked messages: the broker kept the session and sends them again. */
  forgetUnacked(): void {
    const waiting = this.#empty();
    for (const message of waiting) {
      if (message.ack) message.abandon?.();
      else this.#push(message);
    }
    if (this.backlog === 0) this.#release();
  }

  /** Accepts no more messages. Those in the backlog are not acked, so the broker keeps them. */
  stop(): void {
    this.#stopped = true;
    const lost = this.#empty().filter((message) => !message.ack).length;
    if (lost > 0) this.options.intake.dropped(lost, "QoS 0 messages still waiting at the stop");
    this.#release();
  }

  /** Resolves when all messages that were passed on are acked, or after `timeoutMs`. */
  async settled(timeoutMs: number): Promise<void> {
    if (this.#unsettled === 0) return;
    this.#settled ??= Promise.withResolvers<void>();
    const timer = setTimeout(() => this.#settled!.resolve(), timeoutMs);
    await this.#settled.promise;
    clearTimeout(timer);
  }

  #pass({ topic, payload, ack }: Inbound): void {
    if (!ack) return this.options.intake.receive(payload, { topic });
    this.#unsettled++;
    this.options.intake.receive(payload, { topic }, () => {
      ack();
      if (--this.#unsettled === 0) this.#settled?.resolve();
    });
  }

  #fits(acked: boolean): boolean {
    const { maxBacklog = MAX_BACKLOG, maxBacklogBytes = MAX_BACKLOG_BYTES } = this.options;
    return this.backlog < maxBacklog + (acked ? RECEIVE_MAXIMUM : 0) &&
      this.#backlogBytes < maxBacklogBytes * (acked ? 2 : 1);
  }

  #push(message: Inbound): void {
    this.#backlog.push(message);
    this.#backlogBytes += message.payload.byteLength;
  }

  #mayHold(): boolean {
    return performance.now() - this.#progressAt < (this.options.holdMs ?? HOLD_MS);
  }

  /** Waits for credit, and releases held parsers if it takes too long. */
  #wait(): void {
    if (this.holding && this.#holdTimer === undefined) {
      this.#holdTimer = setTimeout(() => this.#afterHold(), this.options.holdMs ?? HOLD_MS);
    }
    if (this.#waiting) return;
    const ready = this.options.intake.ready();
    if (!ready) return this.#drain();
    this.#waiting = true;
    ready.then(() => {
      this.#waiting = false;
      this.#drain();
    });
  }

  #drain(): void {
    if (this.#stopped) return;
    this.#progressAt = performance.now();
    while (this.backlog > 0 && !this.options.intake.ready()) {
      const message = this.#backlog[this.#head++]!;
      this.#backlogBytes -= message.payload.byteLength;
      this.#pass(message);
    }
    if (this.#head > 1_000 && this.#head * 2 > this.#backlog.length) {
      this.#backlog.splice(0, this.#head);
      this.#head = 0;
    }
    if (this.backlog === 0) return this.#release();
    if (this.#fits(true)) { for (const done of this.#stuck.splice(0)) done(); }
    this.#wait();
  }

  #afterHold(): void {
    this.#holdTimer = undefined;
    if (this.#mayHold()) this.#wait();
    else this.#letParsersGo();
  }

  #empty(): Inbound[] {
    const waiting = this.#backlog.splice(0).slice(this.#head);
    this.#head = 0;
    this.#backlogBytes = 0;
    return waiting;
  }

  #release(): void {
    this.#empty();
    this.#letParsersGo();
    for (const done of this.#stuck.splice(0)) done();
  }

  #letParsersGo(): void {
    clearTimeout(this.#holdTimer);
    this.#holdTimer = undefined;
    for (const done of this.#held.splice(0)) done();
  }
}
