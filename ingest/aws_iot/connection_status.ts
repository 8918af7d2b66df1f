/** Derives a connection's status from its states, for status, logs and metrics. */

import type { SourceState } from "../runtime/source.ts";
import type { LatencyFigures } from "./latency.ts";

export type ConnectionStatusName =
  /** Not started, or stopped. */
  | "disconnected"
  /** Another instance has the connection; this one connects when it has to publish. */
  | "standby"
  | "connecting"
  | "connected"
  | "reconnecting"
  /** All quick retries failed: now one retry a minute. */
  | "circuit_open";

/** The current status of the service. */
export interface AwsIotStatus {
  readonly connection_status: ConnectionStatusName;
  readonly connected: boolean;
  readonly reconnect_attempts: number;
  /** Seconds since 1970; null before the first ack. */
  readonly last_publish_ts: number | null;
  /** Why there is no connection. */
  readonly reason: string | null;
  /** The connection's MQTT version, session and topics, and the topics that the policy forbids. */
  readonly detail: string | null;
  readonly breaker_open: boolean;
  readonly buffered: number;
  readonly totals: {
    readonly published: number;
    readonly buffered: number;
    readonly refused: number;
    readonly dropped: number;
  };
  /** From sending to the ack. */
  readonly publish_latency: LatencyFigures;
}

/** After a connection that lasted this long, failures are counted from zero again. */
const STEADY_MS = 10_000;

export interface StatusOptions {
  readonly maxTries: number;
  monotonic(): number;
  onBreaker(open: boolean, reason: string): void;
}

/** Follows the states of one connection. */
export class ConnectionStatus {
  /** Retries since the connection was lost or the first try failed; 0 while connected. */
  attempts = 0;
  reason: string | undefined;
  detail: string | undefined;
  /** How many times the breaker opened. */
  opened = 0;
  #name: ConnectionStatusName = "disconnected";
  #failures = 0;
  #connectedAt: number | undefined;
  #open = false;

  constructor(private readonly options: StatusOptions) {}

  get name(): ConnectionStatusName {
    return this.#open ? "circuit_open" : this.#name;
  }

  get breakerOpen(): boolean {
    return this.#open;
  }

  update(state: SourceState): void {
    this.detail = state.state === "connected" ? state.detail : undefined;
    if (state.state === "connected") this.#onConnected();
    else if (state.state === "waiting") this.#onFailure(state.reason);
    else if (state.state === "connecting") this.#onTry();
    else this.#reset("disconnected");
  }

  standby(): void {
    this.#reset("standby");
  }

  #onTry(): void {
    if (this.#failures > 0) this.attempts++;
    this.#name = this.#failures > 0 ? "reconnecting" : "connecting";
  }

  #onConnected(): void {
    this.#name = "connected";
    this.#connectedAt = this.options.monotonic();
    this.attempts = 0;
    this.reason = undefined;
    this.#setOpen(false, "the connection is back");
  }

  #onFailure(reason: string): void {
    const since = this.#connectedAt;
    this.#connectedAt = undefined;
    if (since !== undefined && this.options.monotonic() - since > STEADY_MS) this.#failures = 0;
    this.#failures++;
    this.#name = "reconnecting";
    this.reason = reason;
    this.#setOpen(this.#failures > this.options.maxTries, reason);
  }

  #reset(name: ConnectionStatusName): void {
    this.#name = name;
    this.attempts = 0;
    this.#failures = 0;
    this.#connectedAt = undefined;
    this.reason = undefined;
    this.detail = undefined;
    this.#open = false;
  }

  #setOpen(open: boolean, reason: string): void {
    if (open === this.#open) return;
    this.#open = open;
    if (open) this.opened++;
    this.options.onBreaker(open, reason);
  }
}

/** The status as metrics; counters are totals since the start. */
export function figuresOf(status: AwsIotStatus, breakerOpened: number): {
  gauges: Record<string, number>;
  counters: Record<string, number>;
} {
  const { publish_latency: latency, totals } = status;
  return {
    gauges: {
      aws_iot_connected: Number(status.connected),
      aws_iot_breaker_open: Number(status.breaker_open),
      aws_iot_buffered: status.buffered,
      aws_iot_publish_latency_p50_ms: latency.p50_ms ?? 0,
      aws_iot_publish_latency_p99_ms: latency.p99_ms ?? 0,
    },
    counters: {
      aws_iot_published: totals.published,
      aws_iot_put_in_buffer: totals.buffered,
      aws_iot_refused: totals.refused,
      aws_iot_dropped: totals.dropped,
      aws_iot_breaker_opened: breakerOpened,
    },
  };
}
