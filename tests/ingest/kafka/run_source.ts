/** Runs a Kafka source in the test's own thread, with a fake intake. */

import type { Admin, Kafka, Producer } from "kafkajs";
import { kafkaClient } from "../../../ingest/kafka/client.ts";
import type { KafkaSourceConfig } from "../../../ingest/kafka/settings.ts";
import { KafkaSource } from "../../../ingest/kafka/source.ts";
import { eventually } from "../../kit/eventually.ts";
import { FakeIntake, type FakeIntakeOptions } from "./fake_intake.ts";

export type Overrides = Partial<KafkaSourceConfig> & { readonly intake?: FakeIntakeOptions };

export function sourceConfig(
  server: string,
  overrides: Partial<KafkaSourceConfig> = {},
): KafkaSourceConfig {
  return {
    servers: [server],
    topics: ["tracking"],
    groupId: `group-${crypto.randomUUID()}`,
    fromBeginning: true,
    sasl: undefined,
    ssl: false,
    caPath: undefined,
    certPath: undefined,
    keyPath: undefined,
    clientId: "telecast-test",
    backoff: { minMs: 50, maxMs: 500 },
    ...overrides,
  };
}

export class RunningSource implements AsyncDisposable {
  readonly intake: FakeIntake;
  readonly source: KafkaSource;
  readonly config: KafkaSourceConfig;

  constructor(server: string, { intake, ...overrides }: Overrides = {}) {
    this.config = sourceConfig(server, overrides);
    this.intake = new FakeIntake(intake);
    this.source = new KafkaSource(this.config);
    this.source.start(this.intake, this.intake.onState);
  }

  static async connected(server: string, overrides: Overrides = {}): Promise<RunningSource> {
    const running = new RunningSource(server, overrides);
    try {
      await running.connected();
      return running;
    } catch (error) {
      await running.source.stop();
      throw error;
    }
  }

  async connected(): Promise<void> {
    await eventually("connected", () => this.intake.isConnected, { timeoutMs: 30_000 });
  }

  async has(count: number): Promise<void> {
    await eventually(`${count} messages`, () => this.intake.fresh.length >= count, {
      timeoutMs: 60_000,
    });
  }

  // deno-lint-ignore no-explicit-any -- a detail can have any shape
  get detail(): any {
    return this.source.detail();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.source.stop();
  }
}

/** A client with all codecs, to produce records and inspect the broker. */
export function clientOf(
  server: string,
  overrides: Partial<KafkaSourceConfig> = {},
): Promise<Kafka> {
  return kafkaClient(sourceConfig(server, overrides), () => {});
}

/** A producer that writes no record twice when it retries after a lost or late answer. */
export async function connectProducer(server: string): Promise<Producer> {
  const options = { idempotent: true, maxInFlightRequests: 1, retry: { retries: 100 } };
  const producer = (await clientOf(server)).producer(options);
  await producer.connect();
  return producer;
}

export async function withAdmin<T>(server: string, use: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = (await clientOf(server)).admin();
  await admin.connect();
  try {
    return await use(admin);
  } finally {
    await admin.disconnect();
  }
}

/** Creates a topic and waits until its partitions have a leader. */
export async function createTopic(
  server: string,
  topic: string,
  numPartitions: number = 3,
): Promise<void> {
  await withAdmin(server, async (admin) => {
    await admin.createTopics({ topics: [{ topic, numPartitions }], waitForLeaders: true });
  });
}

/** Sums the offsets that the group has committed on a topic; partitions without one count 0. */
export async function committedOf(server: string, groupId: string, topic: string): Promise<number> {
  return await withAdmin(server, async (admin) => {
    const [offsets] = await admin.fetchOffsets({ groupId, topics: [topic] });
    return offsets!.partitions.reduce((sum, { offset }) => sum + Math.max(0, Number(offset)), 0);
  });
}
