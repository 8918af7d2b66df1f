/** Figures of this instance. */

import { Hono } from "hono";
import type { AppDeps } from "./deps.ts";

export function statsRoutes({ hub, fanout, sources, instance }: AppDeps): Hono {
  const started = performance.now();
  return new Hono()
    .get("/api/v1/stream/stats", (c) =>
      c.json({
        total_messages_processed: fanout.stored,
        active_subscribers: hub.sessions.size,
        devices_being_monitored: hub.devicesMonitored,
      }))
    .get("/api/v1/stats", (c) =>
      c.json({
        instance,
        deployment: fanout.deploymentId,
        uptime_seconds: Math.round((performance.now() - started) / 1000),
        sources: sources(),
        transports: Object.fromEntries(
          Object.entries(hub.totals).map(([transport, totals]) => [transport, {
            connections: totals.connected,
            connections_total: totals.connections,
            sent: totals.sent,
            dropped: totals.dropped,
          }]),
        ),
        queued: queued(),
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

  function queued() {
    const sum = { messages: 0, bytes: 0 };
    for (const session of hub.sessions) {
      sum.messages += session.queued.messages;
      sum.bytes += session.queued.bytes;
    }
    return sum;
  }
}
