/** Logs a status line every minute. */

import type { Fanout } from "../../broker/log/fanout.ts";
import type { Hub } from "../../broker/streams/hub.ts";
import type { SourceStatus } from "../../ingest/ingest.ts";
import { getLogger } from "../../telemetry/log.ts";

const log = getLogger("status");
const INTERVAL_MS = 60_000;

export interface StatusParts {
  readonly hub: Pick<Hub, "totals" | "slowSessions">;
  readonly fanout: Pick<Fanout, "pending" | "state">;
  sources(): readonly SourceStatus[];
}

/** Totals at one point in time. */
export interface StatusSample {
  /** In milliseconds, of a monotonic clock. */
  readonly at: number;
  readonly received: number;
  readonly malformed: number;
  readonly sent: number;
  readonly dropped: number;
  readonly ws: number;
  readonly sse: number;
  readonly slow: number;
  readonly pending: number;
  readonly store: string;
  readonly sources: readonly SourceStatus[];
  readonly residentBytes: number;
}

export class StatusLine implements Disposable {
  #last: StatusSample;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(private readonly parts: StatusParts) {
    this.#last = sampleOf(parts);
    this.#timer = setInterval(() => {
      const now = sampleOf(this.parts);
      log.info("{text}", { text: statusText(this.#last, now) });
      this.#last = now;
    }, INTERVAL_MS);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/** Rates cover the time between the two samples; normal states are left out. */
export function statusText(before: StatusSample, now: StatusSample): string {
  const seconds = (now.at - before.at) / 1000;
  const rate = (key: "received" | "sent") => perSecond((now[key] - before[key]) / seconds);
  const grown = (key: "malformed" | "dropped") => now[key] - before[key];
  const clients = now.ws + now.sse;
  return [
    `in ${rate("received")}/s`,
    `out ${rate("sent")}/s`,
    `${count(clients)} ${clients === 1 ? "client" : "clients"} (${now.ws} ws, ${now.sse} sse)`,
    ...now.sources.map(sourceText),
    ...(now.slow > 0 ? [`${count(now.slow)} slow`] : []),
    ...(now.pending > 0 ? [`${count(now.pending)} to be stored`] : []),
    ...(now.store === "ready" ? [] : [`store ${now.store}`]),
    ...(grown("dropped") > 0 ? [`${count(grown("dropped"))} dropped`] : []),
    ...(grown("malformed") > 0 ? [`${count(grown("malformed"))} malformed`] : []),
    `${Math.round(now.residentBytes / 1_048_576)} MB`,
  ].join(", ");
}

function sampleOf({ hub, fanout, sources }: StatusParts): StatusSample {
  const { ws, sse } = hub.totals;
  const all = sources();
  const sum = (key: "received" | "malformed" | "dropped") =>
    all.reduce((total, source) => total + source[key], 0);
  return {
    at: performance.now(),
    received: sum("received"),
    malformed: sum("malformed"),
    sent: ws.sent + sse.sent,
    dropped: ws.dropped + sse.dropped + sum("dropped"),
    ws: ws.connected,
    sse: sse.connected,
    slow: hub.slowSessions,
    pending: fanout.pending,
    store: fanout.state.state,
    sources: all,
    residentBytes: Deno.memoryUsage().rss,
  };
}

function sourceText({ name, state, lag }: SourceStatus): string {
  return `${name} ${state}${typeof lag === "number" ? `, lag ${count(lag)}` : ""}`;
}

function perSecond(rate: number): string {
  return rate === 0 || rate >= 10 ? count(Math.round(rate)) : rate.toFixed(1);
}

function count(value: number): string {
  return value.toLocaleString("en");
}
