/** A connection in this thread, for programs that use the service as a module. */

import type { Clock } from "../../lib/clock.ts";
import type { Intake, Outgoing, SourceState } from "../runtime/source.ts";
import type { Link, LinkListener } from "./link.ts";
import { AwsIotSource, type AwsIotSourceConfig } from "./source.ts";

export interface DirectLinkOptions {
  readonly commandTopicPrefix: string;
  readonly clock: Clock;
}

export class DirectLink implements Link {
  readonly primary = true;
  state: SourceState = { state: "stopped" };
  #source: AwsIotSource | undefined;
  /** Commands are passed on one after another. */
  #handled: Promise<void> = Promise.resolve();

  constructor(
    private readonly config: AwsIotSourceConfig,
    private readonly options: DirectLinkOptions,
  ) {}

  start(listener: LinkListener): void {
    const context = { previousTopics: [], onSubscribed: () => {} };
    this.#source = new AwsIotSource(this.config, context, this.options.clock);
    this.#source.start(this.#intake(listener), (state) => {
      this.state = state;
      listener.onState(state);
    });
  }

  wake(): void {}

  publish(message: Outgoing, timeoutMs: number): Promise<void> {
    if (!this.#source) return Promise.reject(new Error("Cannot publish: the service is stopped"));
    return this.#source.publish(message, timeoutMs);
  }

  async stop(): Promise<void> {
    const source = this.#source;
    this.#source = undefined;
    await source?.stop();
  }

  #intake(listener: LinkListener): Intake {
    const decoder = new TextDecoder();
    return {
      receive: (bytes, { topic }, ack) => {
        const command = this.#command(topic, decoder.decode(bytes));
        const done = () => ack?.(0);
        this.#handled = this.#handled.then(() => listener.onCommand(command)).then(done, done);
      },
      ready: () => undefined,
      dropped: (count, reason) => listener.onLog("warning", `${count} dropped: ${reason}`),
      log: (level, text) => listener.onLog(level, text),
    };
  }

  #command(topic: string, payload: string) {
    const { commandTopicPrefix: prefix } = this.options;
    const deviceId = topic.startsWith(prefix) ? topic.slice(prefix.length) : topic;
    let data: unknown;
    try {
      data = JSON.parse(payload);
    } catch {
      // Not JSON: the handler still gets the text.
    }
    return { topic, deviceId, payload, data };
  }
}
