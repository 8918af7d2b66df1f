/** Builds the parts of the program, starts them in order, and stops them in order. */

import { Companies } from "./broker/companies.ts";
import { alarmHandler } from "./broker/delivery/alarm_handler.ts";
import { Backend } from "./broker/delivery/backend.ts";
import { InboundServer } from "./broker/delivery/inbound_server.ts";
import { Inbox } from "./broker/delivery/inbox.ts";
import { DeliveryQueue } from "./broker/delivery/queue.ts";
import { WhatsApp } from "./broker/delivery/whatsapp.ts";
import { Hub } from "./broker/hub.ts";
import { Instances } from "./broker/instances.ts";
import { KvFanout } from "./broker/kv_fanout.ts";
import { type OpenStore, openStore } from "./broker/open.ts";
import type { FanoutState } from "./broker/fanout.ts";
import type { Config } from "./config.ts";
import { EventLoopWatch } from "./event_loop.ts";
import { Health } from "./health.ts";
import { Ingest } from "./ingest/ingest.ts";
import { BoundedLog, getLogger } from "./log.ts";
import { exportFigures } from "./otel.ts";
import { createApp } from "./routes/app.ts";
import type { AppDeps } from "./routes/deps.ts";
import { metricsRegistry } from "./routes/metrics_registry.ts";
import { StatsdReporter } from "./statsd.ts";
import { StatusLine } from "./status_line.ts";

const log = getLogger("program");

export interface Program {
  /** Answers a request; until `ready` the streams and the API answer 503. */
  readonly fetch: (request: Request, info?: Deno.ServeHandlerInfo) => Response | Promise<Response>;
  /** Resolves once messages flow; rejects where the store holds what is not Telecast's. */
  readonly ready: Promise<void>;
  /**
   * Leaves the brokers, says goodbye to the clients, closes the store. Where no client is behind,
   * all goodbyes are written before it returns.
   */
  stop(): Promise<void>;
}

/** How long clients wait at least before they come back after a drain. */
const RECONNECT_MS = 1000;

/** @throws {StoreError} where the store cannot be opened. */
export async function startProgram(
  config: Config,
  options: { readonly platformStore?: boolean } = {},
): Promise<Program> {
  const health = new Health();
  const store = await openStore(config, options);
  const { fanout } = store;
  const instance = crypto.randomUUID().slice(0, 8);
  const drops = new BoundedLog((text) => log.warning("{text}", { text }), {
    intervalMs: 10_000,
    maxLines: 10,
  });
  const dropsTimer = setInterval(() => drops.flush(), 1000);
  const hub = new Hub(fanout, {
    limits: { maxPerDevice: config.queueMaxPerDevice, maxBytes: config.queueMaxBytes },
    keepaliveSeconds: config.keepaliveSeconds,
    staleSeconds: config.staleSeconds,
    writeSeconds: config.limits.writeSeconds,
    onDrop: (deviceId) =>
      drops.line(
        "Cola llena",
        () => `Cola llena para device_id ${deviceId}. Aplicando backpressure (mensaje descartado)`,
      ),
    onState: (state) => reportStore(health, state),
  });
  const companies = new Companies(store.work);
  const deliveries = openDeliveries(config, store, instance);
  const inbox = deliveries && new Inbox(store.work, { onQueued: () => deliveries.ring() });
  const inbound = inbox && new InboundServer({
    inbox,
    maxMessageBytes: config.maxMessageBytes,
    admit: () => deliveries.admit(),
  });
  const ingest = new Ingest({ config, store, health, instance, companies, deliveries, inbox });
  const instances = new Instances(store.kv, {
    id: instance,
    figures: () => ({
      messages: fanout.stored,
      subscribers: hub.sessions.size,
      devices: hub.devicesMonitored,
      sent: hub.totals.ws.sent + hub.totals.sse.sent,
      dropped: hub.totals.ws.dropped + hub.totals.sse.dropped,
      sources: ingest.status().map(({ name, state, reason, received, detail }) => ({
        name,
        state,
        reason,
        received,
        lag: (detail as { lag?: number } | undefined)?.lag,
      })),
    }),
  });
  if (fanout instanceof KvFanout) fanout.aloneness = () => instances.live.length === 1;
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
    deliveries,
    inbound,
    publish: config.mqtt && ((message, timeoutMs) => ingest.publish(message, timeoutMs)),
    awsIot: ingest.awsIot,
  } satisfies AppDeps;
  const registry = metricsRegistry(parts);
  exportFigures(registry);
  const app = createApp({ ...parts, registry });
  const statsd = config.statsd && new StatsdReporter(config.statsd, registry);
  const eventLoop = new EventLoopWatch();
  const statusLine = new StatusLine(parts);
  const ready = fanout.start(hub).then(async () => {
    if (health.phase !== "starting") return;
    hub.presence.start();
    instances.start();
    await companies.start();
    deliveries?.start();
    await ingest.start();
    if (health.phase !== "starting") return;
    health.phase = "serving";
    log.info("ready: store {store}, deployment {deployment}, instance {instance}", {
      store: store.description,
      deployment: fanout.deploymentId,
      instance,
    });
  });
  let stopping: Promise<void> | undefined;
  return {
    fetch: (request, info) => app.fetch(request, { info }),
    ready,
    stop: () => stopping ??= stop(),
  };

  async function stop(): Promise<void> {
    health.phase = "draining";
    // Side by side: `deno serve` closes WebSockets at the signal, and goodbyes must be out before.
    await Promise.all([
      drain(hub, config.drainSeconds),
      inbound?.drain(config.drainSeconds),
      ingest.stop(),
    ]);
    await inbox?.[Symbol.asyncDispose]();
    await deliveries?.[Symbol.asyncDispose]();
    await companies[Symbol.asyncDispose]();
    await instances[Symbol.asyncDispose]();
    hub[Symbol.dispose]();
    clearInterval(dropsTimer);
    statusLine[Symbol.dispose]();
    eventLoop[Symbol.dispose]();
    await fanout[Symbol.asyncDispose]();
    store[Symbol.dispose]();
    await statsd?.[Symbol.asyncDispose]();
  }
}

/** Undefined beside a system that delivers itself. */
function openDeliveries(
  { backendUrl, whatsapp, shadow }: Config,
  { work }: OpenStore,
  instance: string,
): DeliveryQueue | undefined {
  if (shadow) return undefined;
  const log = getLogger("delivery");
  const onAway = (name: string, variable: string) => (away: boolean) =>
    away
      ? log.warning("{name} is away: what is for it waits; check {variable}", { name, variable })
      : log.info("{name} is back", { name });
  const backend = backendUrl === undefined ? undefined : new Backend({
    url: backendUrl.replace(/\/$/, ""),
    onAway: onAway("the backend", "BACKEND_URL"),
  });
  const handler = alarmHandler({
    backend,
    whatsapp: whatsapp &&
      new WhatsApp({ ...whatsapp, onAway: onAway("WhatsApp", "WHATSAPP_API_URL") }),
    recipients: whatsapp?.recipients ?? {},
  });
  return new DeliveryQueue(work, {
    instance,
    handler,
    onDead: ({ id, kind, attempts }, reason) =>
      log.error("delivery {id} ({kind}) failed for good after {attempts} tries: {reason}", {
        id,
        kind,
        attempts,
        reason,
      }),
  });
}

/** Tells every client to come back, spread over time, and ends the streams within `seconds`. */
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
    log.error("the store is away, messages wait: {reason}", { reason: state.reason });
  } else if (state.state === "memory") {
    const reason = `the log goes on in memory, and would not survive a restart: ${state.reason}`;
    health.report("store", reason);
    log.error("the store fails: {reason}", { reason });
  } else if (state.state === "ready") {
    if (health.report("store", undefined)) log.info("the store is back");
  }
}
