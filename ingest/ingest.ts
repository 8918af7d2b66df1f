/** All sources of this instance, made from the configuration. */

import type { Fanout } from "../broker/fanout.ts";
import type { Settings } from "../broker/settings.ts";
import type { Config } from "../config.ts";
import type { Health } from "../health.ts";
import { getLogger } from "../log.ts";
import type { MqttSourceConfig } from "./mqtt/source.ts";
import type { WorkerConfig } from "./protocol.ts";
import type { SourceState } from "./source.ts";
import { Supervisor, type SupervisorOptions } from "./supervisor.ts";

const log = getLogger("ingest");

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
  /** More that the kind of source knows of itself, e.g. lag by partition. */
  readonly detail?: unknown;
}

export interface IngestOptions {
  readonly config: Config;
  readonly fanout: Fanout;
  readonly settings: Settings;
  readonly health: Health;
}

export class Ingest {
  /** Names this instance, where several share a deployment. */
  readonly instance: string = crypto.randomUUID().slice(0, 8);
  readonly #supervisors: Supervisor[] = [];
  #mqtt: Supervisor | undefined;

  constructor(private readonly options: IngestOptions) {}

  /** The connection to the MQTT broker; undefined where none is configured, or before start(). */
  get mqtt(): Supervisor | undefined {
    return this.#mqtt;
  }

  /** Starts every source that is configured; each connects in the background. */
  async start(): Promise<void> {
    const { config } = this.options;
    if (config.mqtt) {
      const source = this.#mqttSource(config.mqtt);
      this.#mqtt = await this.#supervise("mqtt", "mqtt", "./mqtt/worker.ts", source);
    }
    for (const supervisor of this.#supervisors) supervisor.start();
    if (this.#supervisors.length === 0) log.warning("no source is configured: see --help");
  }

  async stop(): Promise<void> {
    await Promise.all(this.#supervisors.map((supervisor) => supervisor.stop()));
  }

  status(): SourceStatus[] {
    return this.#supervisors.map(({ name, kind, state, counters, detail }) => ({
      name,
      kind,
      state: state.state,
      ...("reason" in state ? { reason: state.reason } : {}),
      ...counters,
      ...(detail === undefined ? {} : { detail }),
    }));
  }

  /** Counters of all sources together. */
  totals(): { received: number; malformed: number; reconnects: number; dropped_ingest: number } {
    const sum = { received: 0, malformed: 0, reconnects: 0, dropped_ingest: 0 };
    for (const { counters } of this.#supervisors) {
      sum.received += counters.received;
      sum.malformed += counters.malformed;
      sum.reconnects += counters.reconnects;
      sum.dropped_ingest += counters.dropped;
    }
    return sum;
  }

  #mqttSource(mqtt: NonNullable<Config["mqtt"]>): MqttSourceConfig {
    return {
      url: mqtt.url,
      topics: mqtt.topics,
      qos: mqtt.qos,
      username: mqtt.username,
      password: mqtt.password,
      caPath: mqtt.caPath,
      clientId: this.#clientId(mqtt.clientId),
      clean: this.options.config.ingestMode !== "lease",
    };
  }

  /** One client id for the deployment keeps its session; several instances need their own. */
  #clientId(configured: string | undefined): string {
    const { config, fanout } = this.options;
    const base = configured ?? `telecast-${fanout.deploymentId}`;
    const own = config.ingestMode === "lease" ? base : `${base}-${this.instance}`;
    return config.shadow ? `${own}-shadow` : own;
  }

  async #supervise(name: string, kind: string, worker: string, source: unknown) {
    const { config, fanout, settings, health } = this.options;
    const setting = `topics.${name}`;
    const workerConfig: WorkerConfig = {
      source,
      check: {
        maxMessageBytes: config.maxMessageBytes,
        commandTopicPrefix: config.commandTopicPrefix,
        ...(config.deviceIdPath ? { deviceIdPath: config.deviceIdPath } : {}),
      },
    };
    const options: SupervisorOptions = {
      name,
      kind,
      worker: new URL(worker, import.meta.url),
      config: workerConfig,
      logger: getLogger("ingest", kind),
      publish: (entries) => fanout.publish(entries),
      onState: (state) => {
        report(name, state);
        const { state: word } = state;
        health.report(name, word === "waiting" ? state.reason : undefined);
      },
      onSubscribed: (topics) => {
        settings.set(setting, topics).catch((error) =>
          log.warning("the topics of {name} cannot be stored: {error}", { name, error })
        );
      },
      previousTopics: topicsOf(await settings.get(setting)),
    };
    const supervisor = new Supervisor(options);
    this.#supervisors.push(supervisor);
    return supervisor;
  }
}

function topicsOf(stored: unknown): string[] {
  return Array.isArray(stored) ? stored.filter((topic) => typeof topic === "string") : [];
}

function report(source: string, state: SourceState): void {
  if (state.state === "connected") log.info("{source} is connected", { source });
  else if (state.state === "waiting") {
    log.warning("{source} is not connected, next try in {retryMs} ms: {reason}", {
      source,
      reason: state.reason,
      retryMs: Math.round(state.retryMs),
    });
  }
}
