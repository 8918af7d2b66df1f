/** Messages from and to AWS IoT Core: MQTT with a client certificate. */

import { type Clock, SYSTEM_CLOCK } from "../../lib/clock.ts";
import { MqttSource, type MqttSourceConfig } from "../mqtt/source.ts";
import type { Intake, Outgoing, Source, SourceContext, SourceState } from "../runtime/source.ts";
import { gunzipped, gzipEncode } from "./gzip.ts";
import { type RetryOptions, RetryPace } from "./retry_pace.ts";
import { ALPN_PORT, ALPN_PROTOCOL, AWS_IOT_SETTINGS, SESSION_EXPIRY_SECONDS } from "./settings.ts";

/** The configuration of a worker; must survive a structured clone. */
export interface AwsIotSourceConfig {
  readonly host: string;
  readonly port: number;
  readonly certPath: string;
  readonly keyPath: string;
  readonly caPath: string;
  readonly clientId: string;
  readonly topics: readonly string[];
  /** False: AWS keeps subscriptions and messages for an hour while this client is away. */
  readonly clean: boolean;
  /** Payloads of at least this many bytes are compressed; 0 for none. */
  readonly gzipBytes: number;
  readonly retry?: RetryOptions | undefined;
  /** By default, what AWS requires on port 443. */
  readonly alpnProtocols?: readonly string[] | undefined;
}

/**
 * An MQTT source with AWS's certificates, limits and pace. The files are read again for each
 * connection, so that certificates can be renewed in place.
 */
export class AwsIotSource implements Source {
  readonly #mqtt: MqttSource;
  #connected = false;

  constructor(
    config: AwsIotSourceConfig,
    context: SourceContext,
    clock: Clock = SYSTEM_CLOCK,
  ) {
    const { gzipBytes, retry } = config;
    this.#mqtt = new MqttSource(mqttConfigOf(config), context, {
      clock,
      pace: new RetryPace(retry, () => clock.random()),
      ...(gzipBytes > 0 && { encode: gzipEncode(gzipBytes) }),
    });
  }

  start(intake: Intake, onState: (state: SourceState) => void): void {
    const unpacking: Intake = {
      receive: (bytes, origin, ack, position) =>
        intake.receive(gunzipped(bytes), origin, ack, position),
      ready: () => intake.ready(),
      dropped: (count, reason) => intake.dropped(count, reason),
      log: (level, text) => intake.log(level, text),
    };
    this.#mqtt.start(unpacking, (state) => {
      this.#connected = state.state === "connected";
      onState(state);
    });
  }

  /** Fails at once while there is no connection: the outbox keeps waiting messages in order. */
  publish(message: Outgoing, timeoutMs: number): Promise<void> {
    if (!this.#connected) return Promise.reject(new Error("there is no connection to AWS IoT"));
    return this.#mqtt.publish(message, timeoutMs);
  }

  async stop(): Promise<void> {
    await this.#mqtt.stop();
    this.#connected = false;
  }
}

/** The configuration of the MQTT source underneath. */
export function mqttConfigOf(config: AwsIotSourceConfig): MqttSourceConfig {
  const { host, port, certPath, keyPath, caPath, clientId, topics, clean } = config;
  return {
    url: `mqtts://${host}:${port}`,
    ...{ certPath, keyPath, caPath, clientId, topics, clean },
    qos: 1,
    alpnProtocols: config.alpnProtocols ?? (port === ALPN_PORT ? [ALPN_PROTOCOL] : undefined),
    sessionExpirySeconds: SESSION_EXPIRY_SECONDS,
    names: AWS_IOT_SETTINGS,
  };
}
