/** The topics to read, and which of them can be read. */

import type { Admin, PartitionMetadata } from "kafkajs";
import type { Intake } from "../runtime/source.ts";
import { nameOf, type Partitions } from "./partition.ts";
import { isRefused } from "./reason.ts";

const MAX_NAMES = 10;

export class Topics {
  readonly #announced = new Set<string>();
  /** The broker that leads each partition, as last reported. */
  readonly #leaders = new Map<string, number>();

  constructor(
    private readonly names: readonly string[],
    private readonly partitions: Partitions,
    private readonly intake: Intake,
  ) {}

  /** Asks the broker which topics can be read; logs once for each other topic why it cannot. */
  async find(admin: Admin): Promise<{ readable: string[]; missing: string[] }> {
    const readable: string[] = [];
    const missing: string[] = [];
    for (const topic of this.names) {
      (await this.#canBeRead(admin, topic) ? readable : missing).push(topic);
    }
    return { readable, missing };
  }

  async #canBeRead(admin: Admin, topic: string): Promise<boolean> {
    try {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
      const partitions = topics[0]?.partitions ?? [];
      this.partitions.seen(topic, partitions.length);
      this.#noteLeaders(topic, partitions);
    } catch (error) {
      if (isRefused(error, "UNKNOWN_TOPIC_OR_PARTITION")) {
        this.partitions.seen(topic, 0);
        this.#announce(topic, "does not exist at the broker: create it");
        return false;
      }
      if (isRefused(error, "TOPIC_AUTHORIZATION_FAILED")) {
        this.#announce(topic, "may not be read by this user: check its ACLs");
        return false;
      }
      throw error;
    }
    if (this.#announced.delete(topic)) this.intake.log("info", `topic ${topic} can be read now`);
    return true;
  }

  #announce(topic: string, problem: string): void {
    if (this.#announced.has(topic)) return;
    this.#announced.add(topic);
    this.intake.log("warning", `topic ${topic} ${problem}; it is checked again regularly`);
  }

  /** Logs changes of leaders, which kafkajs follows silently. */
  #noteLeaders(topic: string, partitions: readonly PartitionMetadata[]): void {
    const changes: string[] = [];
    for (const { partitionId, leader } of partitions) {
      const name = nameOf(topic, partitionId);
      const before = this.#leaders.get(name);
      this.#leaders.set(name, leader);
      if (before !== undefined && before !== leader) changes.push(`${name} ${before} to ${leader}`);
    }
    if (changes.length === 0) return;
    const more = changes.length > MAX_NAMES ? ` and ${changes.length - MAX_NAMES} more` : "";
    const names = changes.slice(0, MAX_NAMES).join(", ");
    this.intake.log("info", `partitions have new leaders: ${names}${more}`);
  }
}
