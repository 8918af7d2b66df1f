/** Messages from an MQTT broker. */

import { type Clock, SYSTEM_CLOCK } from "../../lib/clock.ts";
import { Backoff, type BackoffOptions } from "../../lib/backoff.ts";
import type { Intake, Outgoing, Source, SourceContext, SourceState } from "../runtime/source.ts";
import {
  addressOf,
  type BrokerConfig,
  connectOptions,
  KEEPALIVE_SECONDS,
  type MqttVersion,
} from "./connect_options.ts";
import { Connection, type Encode, type Qos2Ids } from "./connection.ts";
import { IngressBuffer, type IngressBufferOptions } from "./ingress_buffer.ts";
import { Outflow, type OutflowLimits } from "./outflow.ts";
import { ConnectionProblem, MQTT_SETTINGS } from "./problem.ts";
import { Subscriptions } from "./subscriptions.ts";

export interface MqttSourceConfig extends BrokerConfig {
  /** Topic filters; `$share/<group>/<filter>` shares them with other clients of the group. */
  readonly topics: readonly string[];
  readonly qos: 0 | 1 | 2;
  readonly backoff?: BackoffOptions | undefined;
  /** How long the broker may take to send a SUBACK or UNSUBACK. */
  readonly answerTimeoutMs?: number | undefined;
  readonly ingressBuffer?: Omit<IngressBufferOptions, "intake"> | undefined;
  readonly outflow?: OutflowLimits | undefined;
}

/** How long the source waits before each try. */
export interface Pace {
  /** The delay after one more failure, in milliseconds. */
  next(): number;
  /** Called after a stable connection: the next failure counts as the first. */
  reset(): void;
}

/** Parts that another kind of source, built on this one, may provide. */
export interface MqttSourceParts {
  readonly pace?: Pace;
  readonly clock?: Clock;
  readonly encode?: Encode;
}

const BACKOFF: BackoffOptions = { minMs: 1_000, maxMs: 30_000 };
/** After a connection that lasted this long, the next failure counts as the first. */
const STEADY_MS = 10_000;
/** Many brokers give no reason when they disconnect a client in favor of another one. */
const SUSPICIOUS_LIVES = 3;
/** How long a stop waits for acks, so that these messages are not sent again. */
const SETTLE_MS = 700;

/**
 * Speaks MQTT 5, or 3.1.1 if the broker needs it. PUBACK and PUBREC follow the append. Reconnects
 * forever, even after a wrong password: it may be corrected on the broker's side.
 */
export class MqttSource implements Source {
  readonly #stop = new AbortController();
  readonly #qos2: Qos2Ids = new Map();
  readonly #subscriptions: Subscriptions;
  readonly #outflow: Outflow;
  readonly #pace: Pace;
  readonly #clock: Clock;
  readonly #at: string;
  #intake!: Intake;
  #ingressBuffer!: IngressBuffer;
  #onState!: (state: SourceState) => void;
  #run: Promise<void> = Promise.resolve();
  #connection: Connection | undefined;
  #connections = 0;
  /** Consecutive connections that the broker accepted and soon closed. */
  #shortLives = 0;
  /** The connection that last resumed the session; unacked messages of earlier ones come again. */
  #resumedBy = 0;
  /** The broker said that it does not speak MQTT 5. */
  #refused5 = false;
  #lastReason = "";

  constructor(
    private readonly config: MqttSourceConfig,
    context: SourceContext,
    private readonly parts: MqttSourceParts = {},
  ) {
    this.#at = addressOf(config.url);
    this.#pace = parts.pace ?? new Backoff(config.backoff ?? BACKOFF);
    this.#clock = parts.clock ?? SYSTEM_CLOCK;
    this.#subscriptions = new Subscriptions(config, context);
    this.#outflow = new Outflow(this.#at, config.outflow);
  }

  start(intake: Intake, onState: (state: SourceState) => void): void {
    this.#intake = intake;
    this.#onState = onState;
    this.#ingressBuffer = new IngressBuffer({ ...this.config.ingressBuffer, intake });
    this.#run = this.#connectForEver();
  }

  /**
   * Waits for a connection if there is none.
   * @throws {Error} if the broker does not ack within `timeoutMs`, or refuses the message.
   */
  publish(message: Outgoing, timeoutMs: number): Promise<void> {
    return this.#outflow.publish(message, timeoutMs);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#ingressBuffer?.stop();
    await this.#ingressBuffer?.settled(SETTLE_MS);
    await this.#connection?.end();
    await this.#run;
    this.#outflow.close();
    this.#onState?.({ state: "stopped" });
  }

  async #connectForEver(): Promise<void> {
    const { signal } = this.#stop;
    // While the parser is held, no answer of the broker can be read, although both sides are alive.
    const keepAlive = setInterval(() => {
      if (this.#ingressBuffer.holding) this.#connection?.keepAlive();
    }, (this.config.keepaliveSeconds ?? KEEPALIVE_SECONDS) * 1000 / 3);
    while (!signal.aborted) {
      this.#onState({ state: "connecting" });
      const startedAt = this.#clock.monotonic();
      const problem = await this.#connectOnce();
      if (signal.aborted) break;
      // An attempt to connect that hung this long was not a stable connection.
      if (problem.accepted && this.#clock.monotonic() - startedAt > STEADY_MS) {
        this.#pace.reset();
        this.#shortLives = 0;
      } else if (problem.accepted) this.#shortLives++;
      const retryMs = this.#pace.next();
      const reason = this.#shortLives < SUSPICIOUS_LIVES
        ? problem.message
        : `${problem.message}, soon after each connect: does another client use the id ` +
          `${this.config.clientId}?`;
      this.#report(reason, retryMs);
      this.#onState({ state: "waiting", reason, retryMs });
      await this.#clock.sleep(retryMs, signal);
    }
    clearInterval(keepAlive);
  }

  /** Resolves when the connection has ended. */
  async #connectOnce(): Promise<ConnectionProblem> {
    if (this.#refused5) return await this.#connect(4);
    const problem = await this.#connect(5);
    if (problem.version === "fine" || this.#stop.signal.aborted) return problem;
    const older = await this.#connect(4);
    // A broker that closes without a reason may have been shutting down: MQTT 5 is tried again.
    if (problem.version === "refused") this.#refused5 = older.version === "fine";
    return older;
  }

  async #connect(version: MqttVersion): Promise<ConnectionProblem> {
    const { config } = this;
    let sessionPresent = false;
    try {
      const options = await connectOptions(config, version);
      if (this.#stop.signal.aborted) return new ConnectionProblem("stopped");
      const names = config.names ?? MQTT_SETTINGS;
      const { encode } = this.parts;
      const settings = { options, at: this.#at, names, inflightQos2: this.#qos2, encode };
      const number = ++this.#connections;
      const connection = this.#connection = new Connection(settings, {
        onSession: (present) => {
          sessionPresent = present;
          if (!present) return;
          this.#resumedBy = number;
          this.#ingressBuffer.forgetUnacked();
        },
        onMessage: (message, done) => {
          if (number >= this.#resumedBy || !message.ack) {
            return this.#ingressBuffer.take(message, done);
          }
          // Left over in the parser of a lost connection.
          message.abandon?.();
          done();
        },
      });
      connection.connected.then(() => this.#onConnected(connection, sessionPresent));
      return await connection.closed;
    } catch (error) {
      if (error instanceof ConnectionProblem) return error;
      return new ConnectionProblem(error instanceof Error ? error.message : String(error));
    } finally {
      this.#connection = undefined;
      this.#outflow.connection = undefined;
    }
  }

  async #onConnected(connection: Connection, sessionPresent: boolean): Promise<void> {
    if (connection !== this.#connection) return;
    this.#outflow.connection = connection;
    try {
      await this.#subscriptions.apply(connection, sessionPresent, (refused) => {
        if (connection !== this.#connection) return;
        const detail = this.#describe(connection.version, sessionPresent, refused);
        this.#lastReason = "";
        this.#intake.log(refused.length > 0 ? "warning" : "info", `${this.#at}: ${detail}`);
        this.#onState({ state: "connected", detail });
      });
    } catch (error) {
      // A connection that is already gone reports that itself.
      const why = error instanceof Error ? error.message : String(error);
      await connection.end(500, `${this.#at} did not accept the subscriptions: ${why}`);
    }
  }

  #describe(version: MqttVersion, present: boolean, refused: readonly string[]): string {
    const { topics, clean } = this.config;
    const taken = topics.filter((topic) => !refused.includes(topic));
    return [
      `connected with MQTT ${version === 5 ? "5" : "3.1.1"}`,
      clean ? "" : present ? "kept session" : "new session",
      taken.length > 0 ? `subscribed to ${taken.join(", ")}` : "",
      refused.length > 0 ? `the broker refused ${refused.join(", ")}: check its rules` : "",
    ].filter(Boolean).join("; ");
  }

  /** Logs a persistent reason only once at warning level. */
  #report(reason: string, retryMs: number): void {
    const level = reason === this.#lastReason ? "debug" : "warning";
    this.#lastReason = reason;
    this.#intake.log(level, `${reason}; next try in ${retryMs} ms`);
  }
}
