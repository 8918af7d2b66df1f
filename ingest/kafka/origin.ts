/** Where a record of Kafka came from. */

import type { KafkaMessage } from "kafkajs";
import type { Mark } from "../../broker/message.ts";
import type { Origin } from "../source.ts";
import type { Partition } from "./partition.ts";

/** Key and detail are made when they are asked for: few messages need them. */
export class KafkaOrigin implements Origin {
  readonly topic: string;
  readonly mark: Mark;
  readonly #record: KafkaMessage;

  constructor(private readonly partition: Partition, record: KafkaMessage, offset: number) {
    this.topic = partition.topic;
    this.mark = { key: partition.markKey, offset };
    this.#record = record;
  }

  get key(): string | undefined {
    return this.#record.key?.toString();
  }

  get detail(): string {
    const kind = this.#record.value === null ? " tombstone" : "";
    return `partition=${this.partition.partition} offset=${this.mark.offset}${kind}`;
  }
}
