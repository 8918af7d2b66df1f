/** Replaces the worker runtime: starts a source in this thread and records what it hands over. */

import type { InboundMessage } from "../../../broker/messages/inbound_message.ts";
import type { Intake, Source, SourceContext, SourceState } from "../../../ingest/runtime/source.ts";
import { eventually } from "../../kit/eventually.ts";

export interface Taken {
  readonly topic: string;
  readonly payload: string;
  /** Undefined at QoS 0. */
  readonly ack: (() => void) | undefined;
  /** Set for a message from a person. */
  readonly inbound?: InboundMessage | undefined;
}

export class SourceProbe implements AsyncDisposable {
  readonly taken: Taken[] = [];
  readonly states: SourceState[] = [];
  readonly log: string[] = [];
  /** Lists of subscriptions, as the source reported them. */
  readonly subscribed: string[][] = [];
  dropped = 0;
  /** Acks each message as soon as it arrives. */
  autoAck = true;
  #stuck: PromiseWithResolvers<void> | undefined;
  readonly #source: Source;
  #stopped = false;
  /** States before this one were waited for. */
  #looked = 0;

  constructor(create: (context: SourceContext) => Source, previousTopics: readonly string[] = []) {
    this.#source = create({
      previousTopics,
      onSubscribed: (topics) => this.subscribed.push([...topics]),
    });
    const intake: Intake = {
      receive: (bytes, { topic, inbound }, ack) => {
        const done = ack && (() => ack(0));
        this.taken.push({ topic, payload: new TextDecoder().decode(bytes), ack: done, inbound });
        if (this.autoAck) done?.();
      },
      ready: () => this.#stuck?.promise,
      dropped: (count) => {
        this.dropped += count;
      },
      log: (level, text) => this.log.push(`${level} ${text}`),
    };
    this.#source.start(intake, (state) => this.states.push(state));
  }

  get state(): SourceState {
    return this.states.at(-1)!;
  }

  get payloads(): string[] {
    return this.taken.map(({ payload }) => payload);
  }

  /** The reason for each wait of the source. */
  get reasons(): string[] {
    return this.states.flatMap((state) => state.state === "waiting" ? [state.reason] : []);
  }

  /** Takes the credit away, or gives it back. */
  set credit(given: boolean) {
    if (given) {
      this.#stuck?.resolve();
      this.#stuck = undefined;
    } else this.#stuck ??= Promise.withResolvers<void>();
  }

  ackAll(): void {
    for (const { ack } of this.taken) ack?.();
  }

  publish(topic: string, payload: string, qos: 0 | 1 | 2 = 1, timeoutMs = 5_000): Promise<void> {
    return this.#source.publish!({ topic, payload, qos }, timeoutMs);
  }

  async connected(timeoutMs?: number): Promise<void> {
    await eventually(
      `connected (${this.log.join("; ")})`,
      () => this.state.state === "connected",
      timeoutMs === undefined ? {} : { timeoutMs },
    );
  }

  async waitingFor(reason: RegExp): Promise<void> {
    // A state may last for less than the time between two looks.
    await eventually(`waiting for ${reason} (${this.log.join("; ")})`, () => {
      const last = this.states.length - 1;
      const at = this.states.findIndex((state, i) =>
        (i >= this.#looked || i === last) && state.state === "waiting" && reason.test(state.reason)
      );
      if (at >= 0) this.#looked = at + 1;
      return at >= 0;
    });
  }

  async received(count: number, timeoutMs = 10_000): Promise<void> {
    await eventually(`${count} messages`, () => this.taken.length >= count, { timeoutMs });
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    await this.#source.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
