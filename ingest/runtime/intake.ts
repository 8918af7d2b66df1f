/** Passes messages out of a worker: checked, in batches, bounded by credits, acked in order. */

import { setImmediate } from "node:timers";
import type { InboundMessage } from "../../broker/messages/inbound_message.ts";
import type { Job, SourceOffset } from "../../broker/messages/message.ts";
import { botoneraJob } from "../messages/botonera/job.ts";
import type { BotoneraCheck } from "../messages/botonera/message_types.ts";
import type { MessageCheck, Refusal } from "../messages/check.ts";
import {
  type Batch,
  epochMs,
  type IntakeLimits,
  type OffsetRun,
  type SourceCounters,
} from "./protocol.ts";
import type { Origin } from "../messages/origin.ts";
import type { Ack, Intake, JobOf, SourceLogLevel } from "./source.ts";

export const DEFAULT_LIMITS: IntakeLimits = {
  maxBatchMessages: 500,
  maxBatches: 32,
  maxBytes: 8 * 1024 * 1024,
  eagerBatches: 4,
};

export interface IntakeOptions {
  readonly check: MessageCheck;
  readonly limits: IntakeLimits;
  readonly jobOf?: JobOf | undefined;
  /** `receivedAt`: when its first message arrived, by {@linkcode epochMs}. */
  post(batch: number, messages: Batch, receivedAt: number): void;
  onRefused(refusal: Refusal, origin: Origin, bytes: number): void;
  /** Called for a panic button message that no job can be made of. */
  onNoWork(reason: string, origin: Origin): void;
  onDropped(count: number, reason: string): void;
  log(level: SourceLogLevel, text: string): void;
}

/** A property of only some messages; left out of a batch in which no message has it. */
class Column<T> {
  readonly values: (T | undefined)[] = [];
  used = false;

  push(value: T | undefined): void {
    this.values.push(value);
    if (value !== undefined) this.used = true;
  }
}

/** The acks to call, in order, once messages are stored. */
class Acks {
  readonly #acks: Ack[] = [];
  readonly #positions: number[] = [];

  push(ack: Ack, position: number): void {
    const last = this.#acks.length - 1;
    if (this.#acks[last] === ack) this.#positions[last] = position;
    else {
      this.#acks.push(ack);
      this.#positions.push(position);
    }
  }

  call(): void {
    for (const [i, ack] of this.#acks.entries()) ack(this.#positions[i]!);
  }
}

/** A posted batch that waits for its `stored`; the main thread has its messages. */
interface PostedBatch {
  readonly number: number;
  readonly bytes: number;
  readonly acks: Acks;
}

/** A batch that is being filled, or waits for credit. */
class OpenBatch implements PostedBatch {
  readonly deviceIds: string[] = [];
  readonly payloads: string[] = [];
  readonly fingerprints = new Column<number>();
  readonly jobs = new Column<Job>();
  readonly inbound = new Column<InboundMessage>();
  readonly #sourceOffsets: OffsetRun[] = [];
  /** For the messages, and for the refused ones that came between and after them. */
  readonly acks = new Acks();
  bytes = 0;
  receivedAt = 0;

  constructor(readonly number: number) {}

  get size(): number {
    return this.payloads.length;
  }

  /** For the message that was pushed last. */
  addSourceOffset({ key, offset }: SourceOffset): void {
    const at = this.size - 1;
    const run = this.#sourceOffsets.at(-1);
    if (run?.key === key && run.from + run.offsets.length === at) run.offsets.push(offset);
    else this.#sourceOffsets.push({ key, from: at, offsets: [offset] });
  }

  columns(): Batch {
    return {
      deviceIds: this.deviceIds,
      payloads: this.payloads,
      ...(this.fingerprints.used && { fingerprints: this.fingerprints.values }),
      ...(this.jobs.used && { jobs: this.jobs.values }),
      ...(this.inbound.used && { inbound: this.inbound.values }),
      ...(this.#sourceOffsets.length > 0 && { sourceOffsets: this.#sourceOffsets }),
    };
  }
}

/** Batches what a source receives. A batch is posted without a timer and is never empty. */
export class BatchingIntake implements Intake {
  readonly counters: SourceCounters = { received: 0, malformed: 0, dropped: 0, reconnects: 0 };
  #open = new OpenBatch(1);
  /** Posted and not stored, oldest first. */
  readonly #posted: PostedBatch[] = [];
  /** Full and not posted, because all credits are used; empty if the source asks `ready()`. */
  readonly #full: OpenBatch[] = [];
  #bytes = 0;
  #flushing = false;
  #credit: PromiseWithResolvers<void> | undefined;

  constructor(private readonly options: IntakeOptions) {}

  receive(bytes: Uint8Array, origin: Origin, ack?: Ack, position = 0): void {
    this.counters.received++;
    if (origin.inbound) return this.#takeInbound(origin.inbound, ack, position);
    const checked = this.options.check.check(bytes, origin);
    if (!checked.message) {
      this.counters.malformed++;
      this.options.onRefused(checked.refusal, origin, bytes.byteLength);
      if (ack) this.#ackInOrder(ack, position);
      return;
    }
    const { message, botonera, value } = checked;
    const batch = this.#open;
    if (batch.size === 0) batch.receivedAt = epochMs();
    batch.deviceIds.push(message.deviceId);
    batch.payloads.push(message.payload);
    batch.fingerprints.push(message.fingerprint);
    if (botonera.kind === "unknown_type" || botonera.kind === "bad_fields") {
      // It is streamed like any other message; only the job is skipped.
      this.counters.malformed++;
      this.options.onNoWork(reasonOf(botonera), origin);
    }
    batch.jobs.push(
      botonera.kind === "message"
        ? botoneraJob(message, botonera.message)
        : this.options.jobOf?.(value, origin),
    );
    const { sourceOffset } = origin;
    if (sourceOffset) batch.addSourceOffset(sourceOffset);
    batch.inbound.push(undefined);
    this.#taken(batch, bytes.byteLength, ack, position);
  }

  /** It has no device, so nothing is checked here. */
  #takeInbound(message: InboundMessage, ack: Ack | undefined, position: number): void {
    const batch = this.#open;
    batch.deviceIds.push("");
    batch.payloads.push("");
    for (const column of [batch.fingerprints, batch.jobs]) column.push(undefined);
    batch.inbound.push(message);
    this.#taken(batch, message.body.length, ack, position);
  }

  #taken(batch: OpenBatch, bytes: number, ack: Ack | undefined, position: number): void {
    if (ack) batch.acks.push(ack, position);
    batch.bytes += bytes;
    this.#bytes += bytes;
    if (batch.size >= this.options.limits.maxBatchMessages) this.#close();
    else this.#flushAfterTurn();
  }

  ready(): Promise<void> | undefined {
    if (this.#hasCredit()) return undefined;
    this.#credit ??= Promise.withResolvers<void>();
    return this.#credit.promise;
  }

  dropped(count: number, reason: string): void {
    this.counters.dropped += count;
    this.options.onDropped(count, reason);
  }

  log(level: SourceLogLevel, text: string): void {
    this.options.log(level, text);
  }

  /** The batches up to `number` are stored: acks their messages and returns their credits. */
  stored(number: number): void {
    while (this.#posted.length > 0 && this.#posted[0]!.number <= number) {
      const batch = this.#posted.shift()!;
      this.#bytes -= batch.bytes;
      batch.acks.call();
    }
    this.flush();
    if (this.#credit && this.#hasRoom()) {
      this.#credit.resolve();
      this.#credit = undefined;
    }
  }

  /** Posts what is there, as far as credits allow. */
  flush(): void {
    const { maxBatches, eagerBatches } = this.options.limits;
    while (this.#full.length > 0 && this.#posted.length < maxBatches) {
      this.#post(this.#full.shift()!);
    }
    if (this.#open.size > 0 && this.#full.length === 0 && this.#posted.length < eagerBatches) {
      this.#close();
    }
  }

  #hasCredit(): boolean {
    return this.#full.length === 0 && this.#posted.length < this.options.limits.maxBatches &&
      this.#bytes < this.options.limits.maxBytes;
  }

  /** Waiting sources resume when half of the credit is back: resuming for each batch costs more. */
  #hasRoom(): boolean {
    const { maxBatches, maxBytes } = this.options.limits;
    return this.#full.length === 0 && this.#posted.length <= maxBatches / 2 &&
      this.#bytes <= maxBytes / 2;
  }

  /**
   * At the end of the turn everything from one read of the socket has arrived. So batches grow with
   * the load, and a single message does not wait.
   */
  #flushAfterTurn(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => {
      this.#flushing = false;
      this.flush();
    });
  }

  #close(): void {
    const batch = this.#open;
    this.#open = new OpenBatch(batch.number + 1);
    if (this.#full.length === 0 && this.#posted.length < this.options.limits.maxBatches) {
      this.#post(batch);
    } else {
      this.#full.push(batch);
    }
  }

  #post(batch: OpenBatch): void {
    const { number, bytes, acks } = batch;
    this.#posted.push({ number, bytes, acks });
    this.options.post(number, batch.columns(), batch.receivedAt);
  }

  /** Acks a refused message when those before it are acked, not earlier. */
  #ackInOrder(ack: Ack, position: number): void {
    if (this.#open.size > 0) this.#open.acks.push(ack, position);
    else {
      const last = this.#full.at(-1) ?? this.#posted.at(-1);
      if (last) last.acks.push(ack, position);
      else ack(position);
    }
  }
}

function reasonOf(botonera: BotoneraCheck): string {
  return botonera.kind === "bad_fields"
    ? `fields missing or wrong: ${botonera.fields.join(", ")}`
    : "tipo_mensaje is not known";
}
