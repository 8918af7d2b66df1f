/** Publishes to a broker as devices do. */

import { Buffer } from "node:buffer";
import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import { within } from "../eventually.ts";
import { TestProcess } from "../servers/process.ts";

export interface PublishOptions {
  readonly qos?: 0 | 1 | 2;
  readonly retain?: boolean;
}

/** A connected publisher. */
export class MqttPublisher implements AsyncDisposable {
  readonly #forgotten = Promise.withResolvers<void>();

  private constructor(private readonly client: MqttClient) {}

  static async connect(url: string, options: IClientOptions = {}): Promise<MqttPublisher> {
    // An unlimited in-flight window: the default one would hold back a burst.
    const client = mqtt.connect(url, { protocolVersion: 5, reconnectPeriod: 100, ...options });
    client.on("error", () => {});
    const connected = new Promise<void>((resolve) => client.once("connect", () => resolve()));
    try {
      await within(`connecting to ${url}`, connected);
    } catch (error) {
      await client.endAsync(true);
      throw error;
    }
    return new MqttPublisher(client);
  }

  /** Resolves once the broker has the message; with QoS 0, once it is written. */
  async publish(
    topic: string,
    payload: string | Uint8Array,
    { qos = 1, retain = false }: PublishOptions = {},
  ): Promise<void> {
    const bytes = typeof payload === "string" ? payload : Buffer.from(payload);
    await this.client.publishAsync(topic, bytes, { qos, retain });
  }

  /** Publishes all at once, in order; resolves once the broker has them all. */
  async publishAll(
    messages: Iterable<{ topic: string; payload: string | Uint8Array }>,
    options?: PublishOptions,
  ): Promise<void> {
    await Promise.all(
      Array.from(messages, ({ topic, payload }) => this.publish(topic, payload, options)),
    );
  }

  /**
   * Publishes the results of `make(0)`, `make(1)` … at `perSecond`, until `count` are published or
   * the signal aborts. Returns how many were published. All of them are acknowledged, unless `qos`
   * is 0 or `forget()` was called.
   */
  async publishAtRate(
    make: (index: number) => { topic: string; payload: string },
    { perSecond, count = Infinity, signal, ready = () => true, ...options }: PublishOptions & {
      readonly perSecond: number;
      /** While this returns false, the schedule is delayed. */
      readonly ready?: () => boolean;
      readonly count?: number;
      readonly signal?: AbortSignal;
    },
  ): Promise<number> {
    let start = performance.now();
    const pending = new Set<Promise<void>>();
    let failure: unknown;
    let index = 0;
    while (index < count && !signal?.aborted && failure === undefined) {
      if (!ready()) start = performance.now() - (index / perSecond) * 1000;
      const due = Math.min(count, ((performance.now() - start) / 1000) * perSecond + 1);
      for (; index < due; index++) {
        const { topic, payload } = make(index);
        const publishing = this.publish(topic, payload, options).catch((error) => {
          failure ??= error;
        });
        pending.add(publishing);
        publishing.finally(() => pending.delete(publishing));
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await Promise.race([Promise.all(pending), this.#forgotten.promise]);
    if (failure !== undefined) throw failure;
    return index;
  }

  /** Ends the connection; messages without an answer are not resent. */
  async forget(): Promise<void> {
    await this.client.endAsync(true);
    this.#forgotten.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.endAsync(true);
  }
}

/** Publishes one message with Debian's mosquitto_pub. */
export async function mosquittoPub(
  port: number,
  topic: string,
  payload: string,
  { qos = 1, retain = false, args = [] }: PublishOptions & { args?: readonly string[] } = {},
): Promise<void> {
  await TestProcess.run("mosquitto_pub", {
    args: [
      ...["-h", "127.0.0.1", "-p", String(port), "-t", topic, "-q", String(qos), "-s"],
      ...(retain ? ["-r"] : []),
      ...args,
    ],
    input: payload,
  });
}
