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
import { KAFKA, type KafkaConfig } from "./kafka/declaration.ts";
import type { KafkaSourceConfig } from "./kafka/source.ts";
import { MQTT, type MqttConfig } from "./mqtt/declaration.ts";
import type { MqttSourceConfig } from "./mqtt/source.ts";
import type { WorkerConfig } from "./protocol.ts";
import type { Outgoing, OwnSource, SourceState } from "./source.ts";
import { checkTopic } from "./mqtt/topic_name.ts";
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
 * Runs the sources: under the ingest lease those of one instance at a time, else those of all. What
 * is published upstream goes over the source's own connection, or one that only publishes.
 */
export class Ingest {
  readonly #sources: Supervisor[] = [];
  readonly #fanout: Fanout;
  readonly #store: EntryStore;
  #lease: Lease | undefined;
  #mqtt: Supervisor | undefined;
  #mqttPublisher: Promise<Supervisor> | undefined;
  readonly #awsIot: ProgramService | undefined;
  /** Starts and stops follow each other in the order in which the lease moved. */
  #moves: Promise<void> = Promise.resolve();
  readonly #stopped = new AbortController();

  constructor(private readonly options: IngestOptions) {
    this.#fanout = options.store.fanout;
    const awsIot = sectionOf(options.config, AWS_IOT);
    this.#store = new EntryStore({ ...options, fanout: this.#fanout });
    this.#awsIot = awsIot && new ProgramService({
      ...options,
      awsIot,
      supervise: (name, source, onState) =>
        this.#supervise(name, "./aws_iot/worker.ts", source, onState),
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
  async start(): Promise<void> {
    const { config, store, instance } = this.options;
    const mqtt = sectionOf(config, MQTT);
    if (mqtt) {
      this.#mqtt = await this.#supervise("mqtt", "./mqtt/worker.ts", this.#mqttSource(mqtt));
    }
    const kafka = sectionOf(config, KAFKA);
    if (kafka) {
      await this.#supervise("kafka", "./kafka/worker.ts", this.#kafkaSource(kafka));
    }
    await this.#awsIot?.start();
    const websocket = sectionOf(config, WEBSOCKET);
    if (websocket) {
      const source: WebSocketSourceConfig = {
        url: websocket.url,
        maxMessageBytes: config.maxMessageBytes,
        deviceIdPath: config.deviceIdPath,
        answers: !config.shadow,
      };
      await this.#supervise("websocket", "./websocket/worker.ts", source);
    }
    for (const { name, worker, config } of this.options.sources) {
      await this.#supervise(name, worker.href, config);
    }
    if (this.#sources.length === 0) {
      log.info("no source is configured: this instance serves what others take in");
      return;
    }
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
    const lease = this.#lease;
    await this.#moves;
    await this.awsIot?.stop();
    const sources = this.#sources.map((source) => source.stop());
    await Promise.all([...sources, this.#mqttPublisher?.then((publisher) => publisher.stop())]);
    this.#store.close();
    await lease?.[Symbol.asyncDispose]();
  }

  /**
   * Publishes at the MQTT broker; resolves after its ack.
   * @throws {InvalidTopicError} where MQTT has no such topic: nothing is sent then.
   * @throws {Error} where there is no broker, or no ack within `timeoutMs`.
   */
  async publish(message: Outgoing, timeoutMs: number): Promise<void> {
    checkTopic(message.topic);
    const mqtt = sectionOf(this.options.config, MQTT);
    if (!this.#mqtt || !mqtt) throw new Error("Cannot publish: no MQTT broker is configured");
    if (this.#mqtt.state.state !== "stopped") return await this.#mqtt.publish(message, timeoutMs);
    this.#mqttPublisher ??= this.#startPublisher(this.#mqttSource(mqtt));
    await (await this.#mqttPublisher).publish(message, timeoutMs);
  }

  /** A connection that only publishes. */
  async #startPublisher(source: MqttSourceConfig): Promise<Supervisor> {
    const publisher = await this.#supervise("mqtt-pub", "./mqtt/worker.ts", {
      ...source,
      topics: [],
      clean: true,
      clientId: `${source.clientId}-pub-${this.options.instance}`,
    });
    publisher.start();
    return publisher;
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

  #mqttSource(mqtt: MqttConfig): MqttSourceConfig {
    return {
      url: mqtt.url,
      topics: this.#mqttTopics(mqtt.topics),
      qos: mqtt.qos,
      username: mqtt.username,
      password: mqtt.password,
      caPath: mqtt.caPath,
      clientId: this.#clientId(mqtt.clientId),
      clean: this.options.config.ingestMode !== "lease",
    };
  }

  /** Where all instances consume in common, the broker deals each message to one of them. */
  #mqttTopics(topics: readonly string[]): readonly string[] {
    const { ingestMode, shadow } = this.options.config;
    if (ingestMode !== "shared") return topics;
    const group = `telecast-${this.#fanout.deploymentId}${shadow ? "-shadow" : ""}`;
    return topics.map((topic) => topic.startsWith("$share/") ? topic : `$share/${group}/${topic}`);
  }

  #kafkaSource(kafka: KafkaConfig): KafkaSourceConfig {
    const { config, instance } = this.options;
    const suffix = config.shadow ? "-shadow" : "";
    // A group of its own reads everything; a shared one spreads the partitions.
    const own = config.ingestMode === "all" ? `-${instance}` : "";
    return {
      ...kafka,
      groupId: `${kafka.groupId}${own}${suffix}`,
      clientId: `telecast-${instance}${suffix}`,
    };
  }

  /** One client id for the deployment keeps its session; several instances need their own. */
  #clientId(configured: string | undefined): string {
    const { config, instance } = this.options;
    const base = configured ?? `telecast-${this.#fanout.deploymentId}`;
    const own = config.ingestMode === "lease" ? base : `${base}-${instance}`;
    return config.shadow ? `${own}-shadow` : own;
  }

  /** A source, or, where its name ends in `-pub`, a connection that only publishes. */
  async #supervise(
    name: string,
    worker: string,
    source: unknown,
    onState?: (state: SourceState) => void,
  ): Promise<Supervisor> {
    const { config, store, health } = this.options;
    const kind = name.split("-")[0]!;
    const setting = `topics.${name}`;
    const publishesOnly = name.endsWith("-pub");
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
    const supervisor = new Supervisor({
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
        store.settings.set(setting, topics).catch((error) =>
          log.warning("the topics of {name} cannot be stored: {error}", { name, error })
        );
      },
      previousTopics: publishesOnly ? [] : await this.#storedTopics(setting),
    });
    if (!publishesOnly) this.#sources.push(supervisor);
    return supervisor;
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

function lagOf(detail: unknown): number | null {
  const lag = (detail as { lag?: unknown } | undefined)?.lag;
  return typeof lag === "number" ? lag : null;
}

function topicsOf(stored: unknown): string[] {
  return Array.isArray(stored) ? stored.filter((topic) => typeof topic === "string") : [];
}
