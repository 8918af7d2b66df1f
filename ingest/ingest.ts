/** All sources of this instance, made from the configuration. */

import type { Companies } from "../broker/companies.ts";
import type { Inbox } from "../broker/delivery/inbox.ts";
import type { DeliveryQueue } from "../broker/delivery/queue.ts";
import type { Fanout } from "../broker/fanout.ts";
import { StoreDamagedError } from "../broker/kv_client.ts";
import { KvFanout } from "../broker/kv_fanout.ts";
import { Lease } from "../broker/lease.ts";
import type { OpenStore } from "../broker/open.ts";
import type { Config } from "../config.ts";
import { sectionOf } from "../config/source_declaration.ts";
import type { Health } from "../health.ts";
import { getLogger } from "../log.ts";
import { AWS_IOT } from "./aws_iot/declaration.ts";
import { ProgramService } from "./aws_iot/program_service.ts";
import type { AwsIotService } from "./aws_iot/service.ts";
import { Backoff, sleep } from "./backoff.ts";
import { EntryStore } from "./entry_store.ts";
import { logMessages } from "./message_lines.ts";
import { KAFKA } from "./kafka/declaration.ts";
import { MQTT } from "./mqtt/declaration.ts";
import { Publisher } from "./mqtt/publisher.ts";
import type { WorkerConfig } from "./protocol.ts";
import type { Outgoing, OwnSource, SourceState } from "./source.ts";
import { checkTopic } from "./mqtt/topic_name.ts";
import {
  type InstanceNames,
  kafkaSourceConfig,
  mqttPublisherConfig,
  mqttSourceConfig,
} from "./source_configs.ts";
import { Supervisor } from "./supervisor.ts";
import { WEBSOCKET } from "./websocket/declaration.ts";
import type { WebSocketSourceConfig } from "./websocket/source.ts";

const log = getLogger("ingest");
const STORE_RETRY = { minMs: 100, maxMs: 2_000 };

/** A source as stats show it. */
export interface SourceStatus {
  readonly name: string;
  readonly kind: string;
  readonly state: SourceState["state"];
  readonly reason?: string;
  readonly received: number;
  readonly malformed: number;
  readonly dropped: number;
  readonly reconnects: number;
  /** Messages still to be read upstream; null where the source cannot know. */
  readonly lag?: number | null;
  /** More that the kind of source knows of itself, e.g. lag by partition. */
  readonly detail?: unknown;
}

export interface IngestOptions {
  readonly config: Config;
  readonly store: OpenStore;
  readonly health: Health;
  /** Names this instance, where several share a deployment. */
  readonly instance: string;
  /** Messages that name another company are refused. */
  readonly companies: Companies;
  /** Does the work that is stored; undefined beside a system that does it. */
  readonly deliveries: DeliveryQueue | undefined;
  /** Takes messages from people; undefined like the deliveries. */
  readonly inbox: Inbox | undefined;
  /** Whether there is somebody that panic buttons' messages are delivered to. */
  readonly delivers: boolean;
  /** URLs of modules that every source's worker imports: they register types of messages. */
  readonly modules: readonly string[];
  /** Sources beside those of the configuration. */
  readonly sources: readonly OwnSource[];
}

/**
 * Runs the sources: under the ingest lease those of one instance at a time, else those of all.
 * Publishes at the MQTT broker from every instance, over a connection of its own.
 */
export class Ingest {
  readonly #sources: Supervisor[] = [];
  readonly #fanout: Fanout;
  readonly #store: EntryStore;
  #lease: Lease | undefined;
  readonly #mqttPublisher: Publisher | undefined;
  readonly #awsIot: ProgramService | undefined;
  /** Starts and stops follow each other in the order in which the lease moved. */
  #moves: Promise<void> = Promise.resolve();
  #starting: Promise<void> = Promise.resolve();
  readonly #stopped = new AbortController();

  constructor(private readonly options: IngestOptions) {
    this.#fanout = options.store.fanout;
    const awsIot = sectionOf(options.config, AWS_IOT);
    this.#store = new EntryStore({ ...options, fanout: this.#fanout });
    this.#awsIot = awsIot && new ProgramService({
      ...options,
      awsIot,
      addSource: (source, onState) =>
        this.#addSource("aws_iot", "./aws_iot/worker.ts", source, onState),
      makePublisher: (source, onState) =>
        this.#supervise("aws_iot-pub", { worker: "./aws_iot/worker.ts", source, onState }),
    });
    const mqtt = sectionOf(options.config, MQTT);
    this.#mqttPublisher = mqtt && new Publisher(() => {
      const source = mqttPublisherConfig(mqtt, this.#names);
      return this.#supervise("mqtt-pub", { worker: "./mqtt/worker.ts", source });
    });
  }

  /** Publishes at AWS IoT Core; undefined where it is not configured. */
  get awsIot(): AwsIotService | undefined {
    return this.#awsIot?.service;
  }

  /** Who has the ingest lease; undefined where none is used. */
  get leaseOwner(): string | undefined {
    return this.#lease?.owner;
  }

  /** Starts what is configured, once this instance may; each source connects in the background. */
  start(): Promise<void> {
    return this.#starting = this.#start();
  }

  async #start(): Promise<void> {
    const { signal } = this.#stopped;
    if (signal.aborted) return;
    const { config, store, instance } = this.options;
    const mqtt = sectionOf(config, MQTT);
    if (mqtt) {
      const source = mqttSourceConfig(mqtt, this.#names);
      await this.#addSource("mqtt", "./mqtt/worker.ts", source);
    }
    const kafka = sectionOf(config, KAFKA);
    if (kafka) {
      const source = kafkaSourceConfig(kafka, this.#names);
      await this.#addSource("kafka", "./kafka/worker.ts", source);
    }
    if (!signal.aborted) await this.#awsIot?.start();
    const websocket = sectionOf(config, WEBSOCKET);
    if (websocket) {
      const source: WebSocketSourceConfig = {
        url: websocket.url,
        maxMessageBytes: config.maxMessageBytes,
        deviceIdPath: config.deviceIdPath,
        answers: !config.shadow,
      };
      await this.#addSource("websocket", "./websocket/worker.ts", source);
    }
    for (const { name, worker, config } of this.options.sources) {
      await this.#addSource(name, worker.href, config);
    }
    if (this.#sources.length === 0) {
      log.info("no source is configured: this instance serves what others take in");
      return;
    }
    if (signal.aborted) return;
    for (const source of this.#sources) if (!this.#isLeased(source.name)) source.start();
    const fanout = this.#fanout;
    if (!store.kv || !(fanout instanceof KvFanout)) return;
    if (!this.#sources.some(({ name }) => this.#isLeased(name))) return;
    const lease = new Lease(store.kv, {
      instance,
      fence: (change) => fanout.fence(change),
      onAcquired: () => {
        log.info("this instance has the ingest lease: its sources start");
        this.#move(() => Promise.resolve(this.#startLeased()));
      },
      onLost: (reason) => {
        log.warning("the ingest lease is lost, the sources stop: {reason}", { reason });
        this.#move(() => this.#stopLeased());
      },
      onFailure: () => fanout.suspect(),
      isAlone: () => fanout.state.state === "memory",
    });
    fanout.leaseProof = () => lease.prove();
    this.#lease = lease;
    lease.start();
  }

  async stop(): Promise<void> {
    // From here on a lease that is acquired starts nothing.
    this.#stopped.abort();
    await this.#starting.catch(() => {});
    const lease = this.#lease;
    await this.#moves;
    await this.awsIot?.stop();
    const sources = this.#sources.map((source) => source.stop());
    await Promise.all([...sources, this.#mqttPublisher?.stop()]);
    this.#store.close();
    await lease?.[Symbol.asyncDispose]();
  }

  /**
   * Publishes at the MQTT broker; resolves after its ack.
   * @throws {InvalidTopicError} where MQTT has no such topic: nothing is sent then.
   * @throws {Error} where there is no broker, no ack within `timeoutMs`, or after stop().
   */
  async publish(message: Outgoing, timeoutMs: number): Promise<void> {
    checkTopic(message.topic);
    if (!this.#mqttPublisher) throw new Error("Cannot publish: no MQTT broker is configured");
    await this.#mqttPublisher.publish(message, timeoutMs);
  }

  /**
   * AWS knows one client by one certificate, and a WebSocket shares nothing between its clients: one
   * instance connects, however the others are run.
   */
  #isLeased(source: string): boolean {
    if (!this.options.store.kv || !(this.#fanout instanceof KvFanout)) return false;
    const { ingestMode } = this.options.config;
    if (ingestMode === "shared" && source === "websocket") return true;
    return ingestMode === "lease" || source === "aws_iot";
  }

  #startLeased(): void {
    if (this.#stopped.signal.aborted) return;
    for (const source of this.#sources) if (this.#isLeased(source.name)) source.start();
  }

  async #stopLeased(): Promise<void> {
    const leased = this.#sources.filter(({ name }) => this.#isLeased(name));
    await Promise.all(leased.map((source) => source.stop()));
  }

  #move(step: () => Promise<void>): void {
    this.#moves = this.#moves.then(step);
  }

  status(): SourceStatus[] {
    return this.#sources.map(({ name, kind, state, counters, detail }) => ({
      name,
      kind,
      state: state.state,
      ...("reason" in state ? { reason: state.reason } : {}),
      ...counters,
      lag: lagOf(detail),
      ...(detail === undefined ? {} : { detail }),
    }));
  }

  get #names(): InstanceNames {
    const { config, instance } = this.options;
    return { config, instance, deploymentId: this.#fanout.deploymentId };
  }

  async #addSource(
    name: string,
    worker: string,
    source: unknown,
    onState?: (state: SourceState) => void,
  ): Promise<Supervisor> {
    const previousTopics = await this.#storedTopics(topicsSetting(name));
    const supervisor = this.#supervise(name, { worker, source, onState, previousTopics });
    this.#sources.push(supervisor);
    return supervisor;
  }

  /** Idle. A name that ends in `-pub` is of a connection that only publishes. */
  #supervise(
    name: string,
    { worker, source, onState, previousTopics }: {
      readonly worker: string;
      readonly source: unknown;
      readonly onState?: ((state: SourceState) => void) | undefined;
      readonly previousTopics?: readonly string[];
    },
  ): Supervisor {
    const { config, store, health } = this.options;
    const kind = name.split("-")[0]!;
    const workerConfig: WorkerConfig = {
      source,
      modules: this.options.modules,
      check: {
        maxMessageBytes: config.maxMessageBytes,
        commandTopicPrefix: config.commandTopicPrefix,
        ...(config.deviceIdPath ? { deviceIdPath: config.deviceIdPath } : {}),
      },
    };
    const logger = getLogger("ingest", kind);
    return new Supervisor({
      name,
      kind,
      worker: new URL(worker, import.meta.url),
      config: workerConfig,
      logger,
      publish: (entries) => {
        logMessages(logger, name, entries);
        return this.#store.publish(entries, this.#isLeased(name));
      },
      onState: (state) => {
        // Another try changes nothing yet: the reason stays until it succeeds.
        if (state.state === "waiting") health.report(name, state.reason);
        else if (state.state !== "connecting") health.report(name, undefined);
        onState?.(state);
      },
      onSubscribed: (topics) => {
        store.settings.set(topicsSetting(name), topics).catch((error) =>
          log.warning("the topics of {name} cannot be stored: {error}", { name, error })
        );
      },
      ...(previousTopics && { previousTopics }),
    });
  }

  /** What the kept session may be subscribed to; a store that is away is waited for. */
  async #storedTopics(setting: string): Promise<string[]> {
    const backoff = new Backoff(STORE_RETRY);
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      try {
        return topicsOf(await this.options.store.settings.get(setting));
      } catch (error) {
        if (error instanceof StoreDamagedError) throw error;
        await sleep(backoff.next(), signal);
      }
    }
    return [];
  }
}

const topicsSetting = (source: string) => `topics.${source}`;

function lagOf(detail: unknown): number | null {
  const lag = (detail as { lag?: unknown } | undefined)?.lag;
  return typeof lag === "number" ? lag : null;
}

function topicsOf(stored: unknown): string[] {
  return Array.isArray(stored) ? stored.filter((topic) => typeof topic === "string") : [];
}
