/** A source for Kafka and systems that speak its protocol. */

import { Backoff, type BackoffOptions } from "../../lib/backoff.ts";
import { sleep } from "../../lib/clock.ts";
import type { Intake, Source, SourceDetail, SourceState } from "../runtime/source.ts";
import { kafkaClient } from "./client.ts";
import type { KafkaSourceConfig } from "./settings.ts";
import { KafkaConnection } from "./connection.ts";
import { Partitions } from "./partition.ts";
import { isRefused, reasonOf } from "./reason.ts";
import { Topics } from "./topics.ts";

export type { KafkaSourceConfig };

const BACKOFF: BackoffOptions = { minMs: 500, maxMs: 10_000 };
/** After a connection that lasted this long, the next try comes soon. */
const GOOD_MS = 30_000;
/** The shortest that brokers allow by default; another member takes over within this time. */
const SESSION_MS = 6_000;
const LONG_SESSION_MS = 30_000;
const WARNING_MS = 60_000;

/**
 * Reads topics as a member of a group. Records of a partition are handed over in order, and their
 * offsets are committed once they are stored, so that a crash repeats some records and loses none.
 */
export class KafkaSource implements Source {
  readonly #partitions: Partitions;
  readonly #backoff: Backoff;
  readonly #stop = new AbortController();
  #sessionMs: number;
  #lastWarning = -Infinity;
  #done: Promise<void> = Promise.resolve();

  constructor(private readonly config: KafkaSourceConfig) {
    this.#partitions = new Partitions(config.groupId, config.fromBeginning);
    this.#backoff = new Backoff(config.backoff ?? BACKOFF);
    this.#sessionMs = config.sessionMs ?? SESSION_MS;
  }

  start(intake: Intake, onState: (state: SourceState) => void): void {
    this.#done = this.#keepConnected(intake, onState);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  detail(): SourceDetail {
    return this.#partitions.detail();
  }

  async #keepConnected(intake: Intake, onState: (state: SourceState) => void): Promise<void> {
    const { signal } = this.#stop;
    const topics = new Topics(this.config.topics, this.#partitions, intake);
    while (!signal.aborted) {
      const since = performance.now();
      onState({ state: "connecting" });
      try {
        await this.#connect(topics, intake, onState);
      } catch (error) {
        if (signal.aborted) break;
        if (isRefused(error, "INVALID_SESSION_TIMEOUT")) this.#sessionMs = LONG_SESSION_MS;
        if (performance.now() - since > GOOD_MS) this.#backoff.reset();
        const retryMs = this.#backoff.next();
        const reason = reasonOf(error);
        this.#report(intake, `${reason}; next try in ${retryMs} ms`);
        onState({ state: "waiting", reason, retryMs });
        await sleep(retryMs, signal);
      }
    }
    onState({ state: "stopped" });
  }

  async #connect(
    topics: Topics,
    intake: Intake,
    onState: (state: SourceState) => void,
  ): Promise<void> {
    const kafka = await kafkaClient(this.config, (level, text) => intake.log(level, text));
    const connection = new KafkaConnection({
      kafka,
      group: this.config.groupId,
      topics,
      partitions: this.#partitions,
      intake,
      sessionMs: this.#sessionMs,
      onAssigned: () => {
        this.#lastWarning = -Infinity;
        const detail = `group=${this.config.groupId} partitions=${this.#partitions.size}`;
        onState({ state: "connected", detail });
      },
    });
    await connection.run(this.#stop.signal);
  }

  /** Logs a warning at most once a minute while the broker stays unavailable. */
  #report(intake: Intake, problem: string): void {
    const now = performance.now();
    const isDue = now - this.#lastWarning >= WARNING_MS;
    if (isDue) this.#lastWarning = now;
    intake.log(isDue ? "warning" : "debug", problem);
  }
}
