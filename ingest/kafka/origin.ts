/** The origin of a Kafka record. */

import type { KafkaMessage } from "kafkajs";
import type { SourceOffset } from "../../broker/messages/message.ts";
import type { Origin } from "../messages/origin.ts";
import type { Partition } from "./partition.ts";

/**
 * The origin of the record that was read last: one object for a whole partition. Key, source offset
 * and detail are made on access.
 */
export class KafkaOrigin implements Origin {
  readonly topic: string;
  #record!: KafkaMessage;
  #offset = 0;

  constructor(private readonly partition: Partition) {
    this.topic = partition.topic;
  }

  /** Returns the same object, now for this record. */
  of(record: KafkaMessage, offset: number): this {
    this.#record = record;
    this.#offset = offset;
    return this;
  }

  get sourceOffset(): SourceOffset {
    return { key: this.partition.sourceOffsetKey, offset: this.#offset };
  }

  get key(): string | undefined {
    return this.#record.key?.toString();
  }

  get detail(): string {
    const kind = this.#record.value === null ? " tombstone" : "";
    return `partition=${this.partition.partition} offset=${this.#offset}${kind}`;
  }
}
