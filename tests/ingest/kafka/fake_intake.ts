/** An intake that records messages and stores them when the test says so. */

import type { Origin } from "../../../ingest/messages/origin.ts";
import type { Ack, Intake, SourceLogLevel, SourceState } from "../../../ingest/runtime/source.ts";

export interface Received {
  readonly text: string;
  readonly topic: string;
  readonly key: string | undefined;
  readonly partition: number;
  readonly offset: number;
  readonly sourceOffset: string;
  readonly detail: string | undefined;
}

export interface FakeIntakeOptions {
  /** Whether it acks at the end of the turn; true by default. */
  readonly stores?: boolean;
  /** Messages that may wait for their ack before `ready()` returns a promise. */
  readonly credit?: number;
}

export class FakeIntake implements Intake {
  readonly received: Received[] = [];
  readonly states: SourceState[] = [];
  readonly lines: string[] = [];
  droppedCount = 0;
  #stores: boolean;
  #waiting: (() => void)[] = [];
  #credit: PromiseWithResolvers<void> | undefined;
  readonly #maxWaiting: number;

  constructor({ stores = true, credit = 1_000 }: FakeIntakeOptions = {}) {
    this.#stores = stores;
    this.#maxWaiting = credit;
  }

  readonly onState = (state: SourceState): void => void this.states.push(state);

  receive(bytes: Uint8Array, origin: Origin, ack?: Ack, position = 0): void {
    const { key, offset } = origin.sourceOffset!;
    this.received.push({
      text: new TextDecoder().decode(bytes),
      topic: origin.topic,
      key: origin.key,
      partition: Number(key[3]),
      offset,
      sourceOffset: key.join("|"),
      detail: origin.detail,
    });
    this.#waiting.push(() => ack!(position));
    if (this.#stores && this.#waiting.length === 1) setTimeout(() => this.#store(), 0);
  }

  ready(): Promise<void> | undefined {
    if (this.#waiting.length < this.#maxWaiting) return undefined;
    this.#credit ??= Promise.withResolvers<void>();
    return this.#credit.promise;
  }

  dropped(count: number): void {
    this.droppedCount += count;
  }

  log(level: SourceLogLevel, text: string): void {
    this.lines.push(`${level}: ${text}`);
  }

  /** Acks waiting messages now, and later ones at the end of their turn. */
  store(): void {
    this.#stores = true;
    this.#store();
  }

  stall(): void {
    this.#stores = false;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get state(): string | undefined {
    return this.states.at(-1)?.state;
  }

  get isConnected(): boolean {
    return this.state === "connected";
  }

  /** The reasons of all failed tries, in order. */
  get reasons(): string[] {
    return this.states.flatMap((state) => state.state === "waiting" ? [state.reason] : []);
  }

  /** Received messages without repeats, which a fanout recognizes by their source offset. */
  get fresh(): Received[] {
    const sourceOffsets = new Map<string, number>();
    return this.received.filter(({ sourceOffset, offset }) => {
      if (offset <= (sourceOffsets.get(sourceOffset) ?? -1)) return false;
      sourceOffsets.set(sourceOffset, offset);
      return true;
    });
  }

  #store(): void {
    if (!this.#stores) return;
    const acks = this.#waiting;
    this.#waiting = [];
    for (const ack of acks) ack();
    this.#credit?.resolve();
    this.#credit = undefined;
  }
}
