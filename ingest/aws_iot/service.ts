/** Publishes to AWS IoT Core and receives commands, inside the program or as a module. */

import { type Clock, SYSTEM_CLOCK } from "../../lib/clock.ts";
import { getLogger, reasonOf } from "../../telemetry/log.ts";
import type { SourceState } from "../runtime/source.ts";
import { type CommandHandler, CommandHandlers } from "./command_handlers.ts";
import {
  type AwsIotStatus,
  ConnectionStatus,
  type ConnectionStatusName,
  figuresOf,
} from "./connection_status.ts";
import { DirectLink } from "./direct_link.ts";
import { keepAlive } from "./keepalive.ts";
import type { Command, Link } from "./link.ts";
import { MemoryBuffer } from "./memory_buffer.ts";
import type { OnDropped, Outbound, OutboundBuffer } from "./outbound_buffer.ts";
import { Outbox } from "./outbox.ts";
import { type Receipt, UndeliverableError } from "./outbox_item.ts";
import { OUTBOX_LIMITS } from "./outbox_limits.ts";
import {
  checkAwsTopic,
  checkSize,
  commandTopic,
  eventPayload,
  InvalidPayloadError,
  type JsonObject,
  RawJson,
  telemetryPayload,
} from "./payload.ts";
import { RateLimit } from "../../lib/rate_limit.ts";
import { MAX_TRIES } from "./retry_pace.ts";
import {
  type AwsIotServiceConfig,
  type AwsIotTuning,
  checkCertificates,
  COMMAND_TOPIC_PREFIX,
  KEEPALIVE_MS,
  serviceConfigFromEnv,
  sourceConfigOf,
} from "./service_config.ts";
import { EVENTS_TOPIC, PUBLISH_BURST, PUBLISHES_PER_SECOND, TELEMETRY_TOPIC } from "./settings.ts";
import { TelemetryBatcher } from "./telemetry_batcher.ts";

export type { AwsIotStatus };
export { AwsIotConfigError, type AwsIotServiceConfig } from "./service_config.ts";
export { RefusedError, UndeliverableError } from "./outbox_item.ts";
export { InvalidTopicError } from "../mqtt/topic_name.ts";
export {
  type Command,
  type CommandHandler,
  InvalidPayloadError,
  type JsonObject,
  RawJson,
  type Receipt,
};

/** Parts that the program or a test may replace. */
export interface AwsIotParts {
  readonly link?: Link | undefined;
  /** Gets a callback for dropped messages; by default, the buffer is in memory. */
  readonly buffer?: ((onDropped: OnDropped) => OutboundBuffer) | undefined;
  readonly clock?: Clock | undefined;
  /** Called after the ack, before publishing resolves. */
  readonly onPublished?: ((message: Outbound) => Promise<void>) | undefined;
}

const SETTLE_MS = 500;

/**
 * Idle until {@linkcode start}; runs until {@linkcode stop}. Publishing resolves on the broker's
 * PUBACK (`published`) or, if that does not arrive in time, once the message is in the buffer
 * (`buffered`). Buffered messages are sent in order when the connection is back.
 */
export class AwsIotService implements AsyncDisposable {
  readonly deviceId: string;
  readonly #clock: Clock;
  readonly #link: Link;
  readonly #outbox: Outbox;
  readonly #buffer: OutboundBuffer;
  readonly #status: ConnectionStatus;
  readonly #commandPrefix: string;
  readonly #batcher: TelemetryBatcher | undefined;
  readonly #handlers = new CommandHandlers();
  readonly #log = getLogger("ingest", "aws_iot");
  #dropped = 0;
  #lastPublish: number | undefined;
  #running: AbortController | undefined;
  #stopped = false;
  #settled = Promise.withResolvers<boolean>();

  constructor(
    private readonly config: AwsIotServiceConfig & AwsIotTuning,
    private readonly parts: AwsIotParts = {},
  ) {
    this.deviceId = config.deviceId ?? config.clientId;
    this.#commandPrefix = config.commandTopicPrefix ?? COMMAND_TOPIC_PREFIX;
    const clock = this.#clock = parts.clock ?? SYSTEM_CLOCK;
    const monotonic = () => clock.monotonic();
    this.#link = parts.link ?? new DirectLink(sourceConfigOf(config, config), {
      commandTopicPrefix: this.#commandPrefix,
      clock,
    });
    const onDropped: OnDropped = (count, reason) => this.#onDropped(count, reason);
    this.#buffer = parts.buffer?.(onDropped) ?? new MemoryBuffer({ clock, onDropped });
    this.#status = new ConnectionStatus({
      maxTries: config.maxTries ?? MAX_TRIES,
      monotonic,
      onBreaker: (open, reason) => this.#onBreaker(open, reason),
    });
    this.#outbox = new Outbox({
      buffer: this.#buffer,
      clock,
      rate: new RateLimit({
        perSecond: config.publishesPerSecond ?? PUBLISHES_PER_SECOND,
        burst: PUBLISH_BURST,
        monotonic,
      }),
      limits: {
        ...OUTBOX_LIMITS,
        ackMs: config.ackTimeoutMs ?? OUTBOX_LIMITS.ackMs,
      },
      drains: () => this.#link.primary,
      publish: (message, timeoutMs) => this.#link.publish(message, timeoutMs),
      onPublished: (message) => this.#onPublished(message),
      onLog: (level, text) => this.#log[level](text),
    });
    if (config.batch) {
      this.#batcher = new TelemetryBatcher(
        config.batch,
        clock,
        (deviceId, data) => this.#publishTelemetry(deviceId, data),
      );
    }
  }

  /**
   * Makes a service from the `AWS_IOT_*` variables.
   * @throws {AwsIotConfigError} that names each invalid variable.
   */
  static fromEnv(
    { deviceId, env = (name) => Deno.env.get(name), ...tuning }: AwsIotTuning & {
      deviceId?: string;
      env?: (name: string) => string | undefined;
    } = {},
    parts?: AwsIotParts,
  ): AwsIotService {
    const config = serviceConfigFromEnv(env);
    return new AwsIotService(
      { ...config, ...tuning, deviceId: deviceId ?? config.deviceId },
      parts,
    );
  }

  get isConnected(): boolean {
    return this.#link.state.state === "connected";
  }

  get connectionStatus(): ConnectionStatusName {
    return this.#status.name;
  }

  /**
   * Connects, and reconnects until stop(). Resolves with true once connected, or with false if the
   * circuit breaker opens first; retries then continue at a slow pace.
   * @throws {AwsIotConfigError} if a certificate file cannot be used.
   */
  // deno-lint-ignore require-await -- turns exceptions into rejections
  async start(): Promise<boolean> {
    if (this.#running) return this.#settled.promise;
    if (this.#stopped) throw new Error("Cannot start: the service was stopped; make a new one");
    if (!this.parts.link) checkCertificates(this.config);
    this.#running = new AbortController();
    this.#settled = Promise.withResolvers<boolean>();
    this.#outbox.start();
    if (!this.#link.primary) this.#status.standby();
    this.#link.start({
      onState: (state) => this.#onState(state),
      onCommand: (command) => this.#handlers.call(command),
      onLog: (level, text) => this.#log[level](text),
    });
    this.#keepAlive(this.#running.signal);
    return this.#settled.promise;
  }

  /** Puts unacknowledged messages into the buffer and disconnects from the broker. */
  async stop(): Promise<void> {
    if (!this.#running) return;
    this.#running.abort();
    this.#running = undefined;
    this.#stopped = true;
    this.#batcher?.flush();
    await this.#outbox.close(SETTLE_MS);
    await this.#link.stop();
    this.#status.update({ state: "stopped" });
    this.#settled.resolve(false);
    const left = this.#buffer.size;
    if (left > 0 && !this.#buffer.shared) {
      this.#log.warning("{left} unpublished messages are lost when the process ends", { left });
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /**
   * Publishes `{"timestamp":…,"device_id":…,"data":…}` to `bombercat/telemetry`.
   * @throws {InvalidPayloadError} if the data cannot be sent as JSON, or is too large.
   * @throws {RefusedError} if the policy does not allow it.
   * @throws {UndeliverableError} if it is neither acknowledged nor buffered.
   */
  // deno-lint-ignore require-await -- turns exceptions into rejections
  async publishTelemetry(
    data: JsonObject | RawJson,
    { deviceId = this.deviceId }: { deviceId?: string } = {},
  ): Promise<Receipt> {
    if (!this.#batcher || data instanceof RawJson) return this.#publishTelemetry(deviceId, data);
    telemetryPayload(data, { deviceId, at: 0 });
    return this.#batcher.add(deviceId, data);
  }

  /**
   * Publishes `{"timestamp":…,"device_id":…,"event":…,"metadata":…}` to `bombercat/events`; rejects
   * like {@linkcode publishTelemetry}.
   */
  // deno-lint-ignore require-await -- turns exceptions into rejections
  async publishEvent(
    event: string,
    metadata: JsonObject | RawJson = {},
    { deviceId = this.deviceId }: { deviceId?: string } = {},
  ): Promise<Receipt> {
    const payload = eventPayload(event, metadata, { deviceId, at: this.#clock.wall() });
    return this.#submit(EVENTS_TOPIC, { payload, deviceId, joinsStream: true });
  }

  /**
   * Publishes JSON text to the topic of a device's commands; rejects like publishTelemetry(), and
   * with {@linkcode InvalidTopicError} if AWS does not allow the topic.
   */
  // deno-lint-ignore require-await -- turns exceptions into rejections
  async publishCommand(deviceId: string, payload: string): Promise<Receipt> {
    const topic = commandTopic(this.#commandPrefix, deviceId);
    // It joins the stream when the subscription delivers it, like commands from others.
    return this.#submit(topic, { payload, deviceId, joinsStream: false });
  }

  /**
   * Calls the handler with every command, which is acknowledged when the handler resolves. Returns
   * a function that removes the handler.
   */
  onCommand(handler: CommandHandler): () => void {
    return this.#handlers.add(handler);
  }

  status(): AwsIotStatus {
    const { published, refused } = this.#outbox.totals;
    const { buffered, lost } = this.#outbox.bufferTotals;
    return {
      connection_status: this.#status.name,
      connected: this.isConnected,
      reconnect_attempts: this.#status.attempts,
      last_publish_ts: this.#lastPublish === undefined ? null : this.#lastPublish / 1000,
      reason: this.#status.reason ?? null,
      detail: this.#status.detail ?? null,
      breaker_open: this.#status.breakerOpen,
      buffered: this.#buffer.size,
      totals: { published, buffered, refused, dropped: this.#dropped + lost },
      publish_latency: this.#outbox.latency.figures(),
    };
  }

  /** The status as metrics; counters are totals since the start. */
  figures(): { gauges: Record<string, number>; counters: Record<string, number> } {
    return figuresOf(this.status(), this.#status.opened);
  }

  // deno-lint-ignore require-await -- turns exceptions into rejections
  async #publishTelemetry(deviceId: string, data: JsonObject | RawJson): Promise<Receipt> {
    const payload = telemetryPayload(data, { deviceId, at: this.#clock.wall() });
    return this.#submit(TELEMETRY_TOPIC, { payload, deviceId, joinsStream: true });
  }

  #submit(
    topic: string,
    message: Pick<Outbound, "payload" | "deviceId" | "joinsStream">,
  ): Promise<Receipt> {
    if (!this.#running) {
      return Promise.reject(new UndeliverableError("Cannot publish: the service is not started"));
    }
    checkAwsTopic(topic);
    checkSize(message.payload, this.config.maxPayloadBytes);
    this.#link.wake();
    const { state } = this.#link.state;
    const id = crypto.randomUUID();
    return this.#outbox.submit({ id, topic, at: this.#clock.wall(), ...message }, {
      connected: state !== "waiting",
    });
  }

  async #onPublished(message: Outbound): Promise<void> {
    this.#lastPublish = this.#clock.wall();
    await this.parts.onPublished?.(message);
  }

  #onState(state: SourceState): void {
    if (state.state === "stopped" && this.#running && !this.#link.primary) this.#status.standby();
    else this.#status.update(state);
    if (state.state === "connected") {
      this.#outbox.opened();
      this.#settled.resolve(true);
    } else if (state.state !== "connecting") this.#outbox.lost();
  }

  #onBreaker(open: boolean, reason: string): void {
    if (!open) return this.#log.info("the circuit breaker is closed: {reason}", { reason });
    this.#settled.resolve(false);
    const tries = this.config.maxTries ?? MAX_TRIES;
    this.#log.error(
      "the circuit breaker is open: {tries} tries failed, retries are slow now: {reason}",
      { tries, reason },
    );
  }

  #onDropped(count: number, reason: string): void {
    this.#dropped += count;
    this.#log.warning("the buffer dropped its {count} oldest messages: {reason}", {
      count,
      reason,
    });
  }

  #keepAlive(signal: AbortSignal): void {
    const options = {
      deviceId: this.deviceId,
      everyMs: this.config.keepaliveMs ?? KEEPALIVE_MS,
      clock: this.#clock,
      isDue: () => this.isConnected && this.#link.primary,
      send: (payload: string) => {
        this.#outbox.publishNow({ topic: EVENTS_TOPIC, payload, qos: 1 }).catch((error) =>
          this.#log.warning("a keepalive was not acknowledged: {reason}", {
            reason: reasonOf(error),
          })
        );
      },
    };
    keepAlive(options, signal);
  }
}
