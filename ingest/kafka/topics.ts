/** The topics that are to be read, and which of them can be. */

import type { Admin } from "kafkajs";
import type { Intake } from "../source.ts";
import type { Partitions } from "./partition.ts";
import { isRefused } from "./reason.ts";

export class Topics {
  readonly #announced = new Set<string>();

  constructor(
    private readonly names: readonly string[],
    private readonly partitions: Partitions,
    private readonly intake: Intake,
  ) {}

  /** Asks the broker which topics can be read; says once of each other one why it cannot be. */
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
      this.partitions.seen(topic, topics[0]?.partitions.length ?? 0);
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
    this.intake.log("warning", `topic ${topic} ${problem}; it is looked for again and again`);
  }
}
