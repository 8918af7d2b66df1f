/**
 * Makes and runs all sources of this instance.
 *
 * The ingest room: one folder for each kind of source, listed in sources.ts. It imports broker/ and
 * what is below it, never routes/.
 */

import type { Companies } from "../broker/cluster/companies.ts";
import type { Inbox } from "../broker/deliveries/inbox.ts";
import type { DeliveryQueue } from "../broker/deliveries/queue.ts";
import type { Fanout } from "../broker/log/fanout.ts";
import { StoreDamagedError } from "../broker/store/kv_client.ts";
import { KvFanout } from "../broker/log/kv_fanout.ts";
import { Lease } from "../broker/log/lease.ts";
import type { OpenStore } from "../broker/log/open.ts";
import type { Config } from "../config/config.ts";
import { sectionOf } from "../config/source_declaration.ts";
import type { Health } from "../telemetry/health.ts";
import { getLogger, reasonOf } from "../telemetry/log.ts";
import { AWS_IOT, publisherConfig as awsIotPublisher } from "./aws_iot/kind.ts";
import { ProgramService } from "./aws_iot/program_service.ts";
import type { AwsIotService } from "./aws_iot/service.ts";
import { Backoff } from "../lib/backoff.ts";
import { sleep } from "../lib/clock.ts";
import { EntryStore } from "./runtime/entry_store.ts";
import { logMessages } from "./runtime/message_lines.ts";
import { MQTT, publisherConfig as mqttPublisher } from "./mqtt/kind.ts";
import { Publisher } from "./mqtt/publisher.ts";
import { checkTopic } from "./mqtt/topic_name.ts";
import type { WorkerConfig } from "./runtime/protocol.ts";
import type { Outgoing, OwnSource, SourceState } from "./runtime/source.ts";
import type { InstanceNames, SourceKind } from "./runtime/source_kind.ts";
import { Supervisor } from "./runtime/supervisor.ts";

const log = getLogger("ingest");
const STORE_RETRY = { minMs: 100, maxMs: 2_000 };

/** The status of a source, as shown in the stats. */
export interface SourceStatus {
  readonly name: string;
  readonly kind: string;
  readonly state: SourceState["state"];
  readonly reason?: string;
  readonly received: number;
  readonly malformed: number;
  readonly dropped: number;
  readonly reconnects: number;
  /** Messages still to be read upstream; null if the source cannot know. */
  readonly lag?: number | null;
  /** Details of this kind of source, e.g. lag by partition. */
  readonly detail?: unknown;
}

export interface IngestOptions {
  readonly config: Config;
  readonly store: OpenStore;
  readonly health: Health;
  /** Identifies this instance in a deployment of several. */
  readonly instance: string;
  /** Messages that name an unknown company are refused. */
  readonly companies: Companies;
  /** Runs stored jobs; undefined in shadow mode, where another system runs them. */
  readonly deliveries: DeliveryQueue | undefined;
  /** Accepts messages from people; undefined in shadow mode. */
  readonly inbox: Inbox | undefined;
  /** Whether anything handles messages from people. */
  readonly takesInbound: boolean;
  /** Whether there is anything that panic button messages are delivered to. */
  readonly delivers: boolean;
  /** URLs of modules that every source's worker imports: they register message types. */
  readonly modules: readonly string[];
  /** Every kind of source that the configuration may name. */
  readonly kinds: readonly SourceKind[];
  /** Sources in addition to the configured ones. */
  readonly sources: readonly OwnSource[];
}

/** A source to be supervised. */
interface SourceRun {
  readonly name: string;
  readonly worker: URL;
  /** What the worker's `create()` gets. */
  readonly source: unknown;
  readonly isLeased: boolean;
}

/**
 * Runs the sources: those under the ingest lease on one instance at a time, others on all
 * instances. Every instance publishes to the MQTT broker, over a separate connection.
 */
export class Ingest {
  readonly #sources: Supervisor[] = [];
  /** The sources that only one instance at a time runs. */
  readonly #leased = new Set<Supervisor>();
  readonly #fanout: Fanout;
  readonly #store: EntryStore;
  #lease: Lease | undefined;
  readonly #mqttPublisher: Publisher | undefined;
  readonly #awsIot: ProgramService | undefined;
  /** Runs starts and stops in the order in which the lease came and went. */
  #moves: Promise<void> = Promise.resolve();
  #starting: Promise<void> = Promise.resolve();
  readonly #stopped = new AbortController();

  constructor(private readonly options: IngestOptions) {
    this.#fanout = options.store.fanout;
    this.#store = new EntryStore({ ...options, fanout: this.#fanout });
    const awsIot = sectionOf(options.config, AWS_IOT);
    this.#awsIot = awsIot && new ProgramService({
      ...options,
      awsIot,
      addSource: (onState) => this.#addSource(this.#runOf(AWS_IOT, awsIot), onState),
      makePublisher: (onState) =>
        this.#supervise(this.#publisherOf(AWS_IOT, awsIotPublisher(awsIot, this.#names)), {
          onState,
        }),
    });
    const mqtt = sectionOf(options.config, MQTT);
    this.#mqttPublisher = mqtt &&
      new Publisher(() =>
        this.#supervise(this.#publisherOf(MQTT, mqttPublisher(mqtt, this.#names)))
      );
  }

  /** Publishes to AWS IoT Core; undefined if it is not configured. */
  get awsIot(): AwsIotService | undefined {
    return this.#awsIot?.service;
  }

  /** The instance that has the ingest lease; undefined if no lease is used. */
  get leaseOwner(): string | undefined {
    return this.#lease?.owner;
  }

  /** Starts the sources, leased ones once this instance has the lease, without waiting for them. */
  start(): Promise<void> {
    return this.#starting = this.#start();
  }

  async #start(): Promise<void> {
    const { signal } = this.#stopped;
    if (signal.aborted) return;
    const { config, kinds, store, instance } = this.options;
    for (const kind of kinds) {
      const section = sectionOf(config, kind);
      if (section === undefined) continue;
      if (kind !== AWS_IOT) await this.#addSource(this.#runOf(kind, section));
      else if (!signal.aborted) await this.#awsIot?.start();
    }
    for (const { name, worker, config: source } of this.options.sources) {
      await this.#addSource({ name, worker, source, isLeased: config.ingestMode === "lease" });
    }
    if (this.#sources.length === 0) {
      log.info("no source is configured: this instance serves what other instances receive");
      return;
    }
    if (signal.aborted) return;
    for (const source of this.#sources) if (!this.#leased.has(source)) source.start();
    const fanout = this.#fanout;
    if (!store.kv || !(fanout instanceof KvFanout) || this.#leased.size === 0) return;
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
    // From here on, acquiring the lease starts nothing.
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
   * Publishes to the MQTT broker; resolves after its ack.
   * @throws {InvalidTopicError} if MQTT does not allow the topic; then nothing is sent.
   * @throws {Error} if there is no broker or no ack within `timeoutMs`, and after stop().
   */
  async publish(message: Outgoing, timeoutMs: number): Promise<void> {
    checkTopic(message.topic);
    if (!this.#mqttPublisher) throw new Error("Cannot publish: no MQTT broker is configured");
    try {
      await this.#mqttPublisher.publish(message, timeoutMs);
    } catch (error) {
      // Logged here because clients do not get the broker's reason.
      log.warning("a message was not published: {reason}", { reason: reasonOf(error) });
      throw error;
    }
  }

  #startLeased(): void {
    if (this.#stopped.signal.aborted) return;
    for (const source of this.#leased) source.start();
  }

  async #stopLeased(): Promise<void> {
    await Promise.all([...this.#leased].map((source) => source.stop()));
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
    const { config, instance, takesInbound } = this.options;
    return { config, instance, takesInbound, deploymentId: this.#fanout.deploymentId };
  }

  #runOf<Section>(kind: SourceKind<Section>, section: Section): SourceRun {
    const { name, worker } = kind;
    const isLeased = kind.isLeased(this.options.config.ingestMode);
    return { name, worker, isLeased, source: kind.workerConfig(section, this.#names) };
  }

  #publisherOf({ name, worker }: Pick<SourceKind, "name" | "worker">, source: unknown): SourceRun {
    return { name: `${name}-pub`, worker, source, isLeased: false };
  }

  async #addSource(
    run: SourceRun,
    onState?: (state: SourceState) => void,
  ): Promise<Supervisor> {
    const previousTopics = await this.#storedTopics(topicsSetting(run.name));
    const supervisor = this.#supervise(run, { onState, previousTopics });
    this.#sources.push(supervisor);
    // In a store that is not shared, no other instance could hold the lease.
    const { kv } = this.options.store;
    if (run.isLeased && kv && this.#fanout instanceof KvFanout) this.#leased.add(supervisor);
    return supervisor;
  }

  /** Does not start it. A name that ends in `-pub` is that of a connection that only publishes. */
  #supervise(
    { name, worker, source }: SourceRun,
    { onState, previousTopics }: {
      readonly onState?: ((state: SourceState) => void) | undefined;
      readonly previousTopics?: readonly string[];
    } = {},
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
    const supervisor: Supervisor = new Supervisor({
      name,
      kind,
      worker,
      config: workerConfig,
      logger,
      publish: (entries) => {
        logMessages(logger, name, entries);
        return this.#store.publish(entries, this.#leased.has(supervisor));
      },
      onState: (state) => {
        // A new try changes nothing yet: the reason stays until a try succeeds.
        if (state.state === "waiting") health.report(name, state.reason);
        else if (state.state !== "connecting") health.report(name, undefined);
        onState?.(state);
      },
      onSubscribed: (topics) => {
        store.settings.set(topicsSetting(name), topics).catch((error) =>
          log.warning("the topics of {name} cannot be stored: {reason}", {
            name,
            reason: reasonOf(error),
          })
        );
      },
      ...(previousTopics && { previousTopics }),
    });
    return supervisor;
  }

  /** Topics that the kept session may be subscribed to. Waits while the store is unavailable. */
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
