/** The MQTT source as the program runs it: in a worker, under a supervisor. */

import type { Entry } from "../../../broker/messages/message.ts";
import type { MqttSourceConfig } from "../../../ingest/mqtt/source.ts";
import { Supervisor } from "../../../ingest/runtime/supervisor.ts";
import type { Logger } from "../../../telemetry/log.ts";
import { eventually } from "../../kit/eventually.ts";

/** A source with a store that keeps everything in a list. */
export class Ingest implements AsyncDisposable {
  readonly entries: Entry[] = [];
  readonly log: string[] = [];
  /** The topics that the caller would have stored. */
  topics: readonly string[] = [];
  /** While set, nothing is stored, so nothing is acked. */
  hold = false;
  readonly supervisor: Supervisor;
  readonly #held: (() => void)[] = [];

  constructor(config: Partial<MqttSourceConfig> & { url: string }, topics: readonly string[] = []) {
    const source: MqttSourceConfig = {
      clientId: "telecast-integration",
      clean: false,
      topics: ["#"],
      qos: 1,
      backoff: { minMs: 50, maxMs: 400 },
      ...config,
    };
    const write = (_: string, values: Record<string, unknown>) => {
      this.log.push(String(values.text ?? values.reason));
    };
    this.supervisor = new Supervisor({
      name: "mqtt",
      kind: "mqtt",
      worker: new URL("../../../ingest/mqtt/worker.ts", import.meta.url),
      config: { source, check: { maxMessageBytes: 60_000, commandTopicPrefix: "c/" } },
      logger: { debug: write, info: write, warning: write, error: write } as unknown as Logger,
      previousTopics: topics,
      onSubscribed: (list) => this.topics = list,
      publish: (entries) => {
        this.entries.push(...entries);
        return this.hold ? new Promise((resolve) => this.#held.push(resolve)) : Promise.resolve();
      },
    });
    this.supervisor.start();
  }

  get ids(): string[] {
    return this.entries.map(({ deviceId }) => deviceId);
  }

  release(): void {
    this.hold = false;
    for (const resolve of this.#held.splice(0)) resolve();
  }

  async connected(): Promise<void> {
    await eventually(
      `connected (${this.log.join("; ")})`,
      () => this.supervisor.state.state === "connected",
      { timeoutMs: 20_000 },
    );
  }

  async waitingFor(reason: RegExp): Promise<void> {
    await eventually(`waiting for ${reason} (${this.log.join("; ")})`, () => {
      const { state } = this.supervisor;
      return state.state === "waiting" && reason.test(state.reason);
    });
  }

  async received(...ids: string[]): Promise<void> {
    await eventually(`${ids} (have ${this.ids})`, () => ids.every((id) => this.ids.includes(id)));
  }

  get detail(): string {
    return JSON.stringify(this.supervisor.state);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.supervisor.stop();
  }
}
