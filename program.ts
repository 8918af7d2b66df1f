/** Builds the parts of the program, starts them in order, and stops them in order. */

import { Revocations } from "./broker/cluster/revocations.ts";
import { Companies } from "./broker/cluster/companies.ts";
import { Hub } from "./broker/streams/hub.ts";
import { hubSettings } from "./broker/streams/hub_settings.ts";
import { Instances } from "./broker/cluster/instances.ts";
import { KvFanout } from "./broker/log/kv_fanout.ts";
import { openStore } from "./broker/log/open.ts";
import type { FanoutState } from "./broker/log/fanout.ts";
import type { Config } from "./config/config.ts";
import { EventLoopWatch } from "./telemetry/event_loop.ts";
import { Health } from "./telemetry/health.ts";
import { MQTT } from "./ingest/mqtt/kind.ts";
import { Ingest } from "./ingest/ingest.ts";
import type { OwnSource } from "./ingest/runtime/source.ts";
import type { SourceKind } from "./ingest/runtime/source_kind.ts";
import { SOURCES } from "./ingest/sources.ts";
import { getLogger } from "./telemetry/log.ts";
import { exportFigures } from "./telemetry/otel.ts";
import { type AppHandler, createApp, handlerOf } from "./routes/app.ts";
import type { AppDeps } from "./routes/http/deps.ts";
import { metricsRegistry } from "./routes/reports/metrics_registry.ts";
import { ConnectionCount } from "./routes/http/connection_count.ts";
import { StatsdReporter } from "./routes/reports/statsd.ts";
import { StatusLine } from "./routes/reports/status_line.ts";
import { openWork, type Work, type WorkHandlers } from "./broker/deliveries/deliveries.ts";

const log = getLogger("program");

export interface Program {
  /** Answers a request; until `ready` the streams and the API answer 503. */
  readonly fetch: AppHandler;
  /** Resolves once messages flow; rejects if the store contains data that is not Telecast's. */
  readonly ready: Promise<void>;
  /**
   * Disconnects from the brokers, sends goodbye to the clients, closes the store. If no client is
   * behind, all goodbyes are written before it returns.
   */
  stop(): Promise<void>;
  readonly companies: Companies;
  readonly work: Work;
  /** Publishes text as is, anything else as JSON, to the MQTT broker; rejects without its ack. */
  publish(topic: string, payload: unknown): Promise<void>;
}

export interface ProgramOptions {
  /** Use the platform's own store, unless DENO_KV_URL names another. */
  readonly platformStore?: boolean;
  /** Shared by the threads of a process. */
  readonly connections?: ConnectionCount;
  /** Custom handlers, called instead of the backend and of notifying people. */
  readonly handlers?: WorkHandlers;
  /** Modules that every source's worker imports, to register message types. */
  readonly modules?: readonly string[];
  /** Every kind of source that the configuration may name; by default, the built-in ones. */
  readonly kinds?: readonly SourceKind[];
  /** Sources in addition to those of the configuration. */
  readonly sources?: readonly OwnSource[];
  /** Resolves once clients can connect. Sources start after that; if it rejects, nothing starts. */
  readonly listen?: (fetch: Program["fetch"]) => Promise<void>;
}

/** Minimum delay before clients reconnect after a drain. */
const RECONNECT_MS = 1000;
/** Time for the broker to acknowledge a message. */
const ACK_MS = 5000;

/** @throws {StoreError} if the store cannot be opened; also what `listen` throws. */
export async function startProgram(
  config: Config,
  options: ProgramOptions = {},
): Promise<Program> {
  const health = new Health();
  const store = await openStore(config, options);
  const { fanout } = store;
  const instance = crypto.randomUUID().slice(0, 8);
  const hub = new Hub(fanout, {
    ...hubSettings(config),
    onDrop: (deviceId) =>
      log.warning(
        "Cola llena para device_id {deviceId}. Aplicando backpressure (mensaje descartado)",
        { deviceId },
      ),
    onState: (state) => reportStore(health, state),
  });
  const companies = new Companies(store.work);
  const revocations = new Revocations(store.work);
  const { connections = new ConnectionCount() } = options;
  const work = openWork(config, store, {
    instance,
    handlers: options.handlers,
    publish: (topic, payload) => publish(topic, payload),
  });
  const { deliveries, inbox, inbound } = work;
  const ingest = new Ingest({
    config,
    store,
    health,
    instance,
    companies,
    deliveries,
    inbox,
    takesInbound: work.takesInbound,
    delivers: config.backendUrl !== undefined || config.whatsapp !== undefined ||
      options.handlers !== undefined,
    modules: options.modules ?? [],
    kinds: options.kinds ?? SOURCES,
    sources: options.sources ?? [],
  });
  const instances = new Instances(store.kv, {
    id: instance,
    figures: () => ({
      messages: fanout.stored,
      subscribers: hub.sessions.size,
      devices: hub.devicesMonitored,
      pending: fanout.pending,
      sent: hub.totals.ws.sent + hub.totals.sse.sent,
      dropped: hub.totals.ws.dropped + hub.totals.sse.dropped,
      queued: hub.queued.messages,
      sources: ingest.status().map(({ kind: _kind, detail: _detail, ...source }) => source),
    }),
  });
  if (fanout instanceof KvFanout) fanout.aloneness = () => instances.live.length === 1;
  const publish = (topic: string, payload: unknown) => {
    const text = typeof payload === "string" ? payload : JSON.stringify(payload);
    return ingest.publish({ topic, payload: text, qos: 1 }, ACK_MS);
  };
  const parts = {
    config,
    hub,
    fanout,
    health,
    instance,
    instances,
    leaseOwner: () => ingest.leaseOwner,
    sources: () => ingest.status(),
    companies,
    revocations,
    connections,
    deliveries,
    inbound,
    publish: config.sources.has(MQTT.name)
      ? ((message, timeoutMs) => ingest.publish(message, timeoutMs))
      : undefined,
    awsIot: ingest.awsIot,
  } satisfies AppDeps;
  const registry = metricsRegistry(parts);
  exportFigures(registry);
  const app = createApp({ ...parts, registry });
  const statsd = config.statsd && new StatsdReporter(config.statsd, registry);
  const eventLoop = new EventLoopWatch();
  const statusLine = new StatusLine(parts);
  const fetch = handlerOf(app);
  let stopping: Promise<void> | undefined;
  const stopOnce = () => stopping ??= stop();
  try {
    await options.listen?.(fetch);
  } catch (error) {
    await stopOnce();
    throw error;
  }
  return { fetch, ready: start(), stop: stopOnce, companies, work, publish };

  /** A stop can come in the middle: nothing starts after it. */
  async function start(): Promise<void> {
    const steps = [
      () => fanout.start(hub),
      () => hub.presence.start(),
      () => instances.start(),
      () => companies.start(),
      () => revocations.start(),
      () => deliveries?.start(),
      () => ingest.start(),
    ];
    for (const step of steps) {
      if (health.phase !== "starting") return;
      await step();
    }
    if (health.phase !== "starting") return;
    health.phase = "serving";
    log.info("ready: store {store}, deployment {deployment}, instance {instance}", {
      store: store.description,
      deployment: fanout.deploymentId,
      instance,
    });
  }

  async function stop(): Promise<void> {
    health.phase = "draining";
    // In parallel: `deno serve` closes WebSockets on the signal; goodbyes must be sent before that.
    await Promise.all([
      drain(hub, config.drainSeconds),
      inbound?.drain(config.drainSeconds),
      ingest.stop(),
    ]);
    await work[Symbol.asyncDispose]();
    await companies[Symbol.asyncDispose]();
    await revocations[Symbol.asyncDispose]();
    await instances[Symbol.asyncDispose]();
    hub[Symbol.dispose]();
    statusLine[Symbol.dispose]();
    eventLoop[Symbol.dispose]();
    await fanout[Symbol.asyncDispose]();
    store[Symbol.dispose]();
    await statsd?.[Symbol.asyncDispose]();
  }
}

/** Tells every client to reconnect, spread over time, and ends the streams within `seconds`. */
async function drain(hub: Hub, seconds: number): Promise<void> {
  const deadline = performance.now() + seconds * 1000;
  const spreadMs = Math.max(RECONNECT_MS, seconds * 1000);
  while (hub.waitingSessions > 0 && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  for (const session of [...hub.sessions]) {
    hub.goodbye(session, "drain", RECONNECT_MS + Math.floor(Math.random() * spreadMs));
  }
}

function reportStore(health: Health, state: FanoutState): void {
  if (state.state === "away") {
    health.report("store", state.reason);
    log.error("the store is unavailable, messages wait: {reason}", { reason: state.reason });
  } else if (state.state === "memory") {
    const reason = `the log continues in memory, and would not survive a restart: ${state.reason}`;
    health.report("store", reason);
    log.error("the store fails: {reason}", { reason });
  } else if (state.state === "ready") {
    if (health.report("store", undefined)) log.info("the store is back");
  }
}
