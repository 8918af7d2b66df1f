/** A broker, Telecast reading from it, and a publisher: the setup of most system tests. */

import { Mosquitto, type MosquittoOptions } from "./servers/mosquitto.ts";
import { MqttPublisher } from "./clients/mqtt_publisher.ts";
import { Telecast } from "./servers/telecast.ts";

export class System implements AsyncDisposable {
  private constructor(
    readonly broker: Mosquitto,
    readonly telecast: Telecast,
    readonly publisher: MqttPublisher,
  ) {}

  /** Starts all three; resolves when Telecast is subscribed. */
  static async start(
    { env, broker: options }: {
      readonly env?: Readonly<Record<string, string>>;
      readonly broker?: MosquittoOptions;
    } = {},
  ): Promise<System> {
    await using stack = new AsyncDisposableStack();
    const broker = stack.use(await Mosquitto.start(options));
    const telecast = stack.use(
      await Telecast.start({ env: { BROKER_HOST: broker.url, ...env } }),
    );
    await telecast.waitForSource();
    const publisher = await MqttPublisher.connect(broker.url);
    stack.move();
    return new System(broker, telecast, publisher);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await using stack = new AsyncDisposableStack();
    stack.use(this.broker);
    stack.use(this.telecast);
    stack.use(this.publisher);
    await stack.disposeAsync();
  }
}
