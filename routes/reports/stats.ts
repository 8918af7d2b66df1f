/**
 * Statistics of this instance.
 *
 * The reports room: what the program tells about itself. It imports streams/, http/, ingest/,
 * broker/ and telemetry/.
 */

import { Hono } from "hono";
import { z } from "zod";
import type { InstanceFigures } from "../../broker/cluster/instances.ts";
import type { AppDeps } from "../http/deps.ts";
import { parseQuery, word } from "../http/query.ts";
import { slowest } from "../streams/slowest_connections.ts";

export const statsQuerySchema = z.object({
  scope: word(["instance", "cluster"], "must be cluster, or left out").default("instance")
    .describe("`cluster`: sums over all live instances"),
});

const MAX_SLOWEST = 20;

export function statsRoutes(
  { hub, fanout, sources, instance, instances, leaseOwner, companies, deliveries, inbound }:
    AppDeps,
): Hono {
  const started = performance.now();
  return new Hono()
    .get("/api/v1/stream/stats", (c) => {
      const { scope } = parseQuery(new URL(c.req.url).searchParams, statsQuerySchema);
      const [self, ...others] = instances.live;
      const counted = scope === "cluster" ? [self!, ...others] : [self!];
      const sum = (key: keyof InstanceFigures) =>
        counted.reduce((total, figures) => total + figures[key], 0);
      return c.json({
        total_messages_processed: sum("messages"),
        active_subscribers: sum("subscribers"),
        devices_being_monitored: sum("devices"),
      });
    })
    .get("/api/v1/stats", (c) =>
      c.json({
        instance,
        deployment: fanout.deploymentId,
        uptime_seconds: Math.round((performance.now() - started) / 1000),
        ingest_lease: leaseOwner() ?? null,
        instances: instances.live.map((info) => ({
          ...info,
          silent_ms: Math.round(instances.silence.get(info.id) ?? 0),
        })),
        silent_instances: silent(),
        sources: sources(),
        transports: Object.fromEntries(
          Object.entries(hub.totals).map(([transport, totals]) => [transport, {
            connections: totals.connected,
            connections_total: totals.connections,
            sent: totals.sent,
            dropped: totals.dropped,
          }]),
        ),
        companies: {
          known: companies.all.length,
          refused: Object.fromEntries(companies.refused),
        },
        deliveries: deliveries
          ? {
            waiting: deliveries.depth,
            oldest_ms: deliveries.oldestMs,
            kept_dead: deliveries.deadDepth,
            ...deliveries.totals,
          }
          : null,
        inbound: inbound ? { peers: inbound.peers.size, ...inbound.totals } : null,
        queued: hub.queued,
        slowest_connections: slowest(hub.sessions, MAX_SLOWEST),
        fanout: {
          ...fanout.state,
          epoch: fanout.epoch.id,
          position: fanout.log.position,
          floor: fanout.floor,
          stored: fanout.stored,
          pending: fanout.pending,
          recent_bytes: fanout.log.bytes,
          devices: fanout.log.deviceCount,
        },
        memory: Deno.memoryUsage(),
      }));

  /** Instances that disappeared without announcing it: most likely they crashed. */
  function silent() {
    const live = new Set(instances.live.map(({ id }) => id));
    return [...instances.silence].filter(([id]) => !live.has(id))
      .map(([id, ms]) => ({ id, silent_ms: Math.round(ms) }));
  }
}
