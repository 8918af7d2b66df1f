/** The periodic event that reports that the device is alive. */

import type { Clock } from "../../lib/clock.ts";
import { eventPayload, RawJson, seconds } from "./payload.ts";

export interface KeepaliveOptions {
  readonly deviceId: string;
  readonly everyMs: number;
  readonly clock: Clock;
  /** Whether there is a connection and it is the one that has to send the event. */
  isDue(): boolean;
  send(payload: string): void;
}

/**
 * Sends `{"uptime":…,"status":"alive"}`, with `uptime` in seconds, every `everyMs` until the signal
 * aborts.
 */
export async function keepAlive(options: KeepaliveOptions, signal: AbortSignal): Promise<void> {
  const { deviceId, everyMs, clock } = options;
  if (everyMs === 0) return;
  const startedAt = clock.monotonic();
  for (;;) {
    await clock.sleep(everyMs, signal);
    if (signal.aborted) return;
    if (!options.isDue()) continue;
    const uptime = seconds(clock.monotonic() - startedAt);
    const metadata = new RawJson(`{"uptime":${uptime},"status":"alive"}`);
    options.send(eventPayload("keepalive", metadata, { deviceId, at: clock.wall() }));
  }
}
