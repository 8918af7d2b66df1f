/** What the page reads from `GET /api/v1/stats`, `/readyz` and `GET /api/v1/deliveries`. */

export interface Stats {
  readonly instance: string;
  readonly deployment: string;
  readonly uptime_seconds: number;
  readonly ingest_lease: string | null;
  readonly instances: readonly InstanceStats[];
  readonly silent_instances: readonly { readonly id: string; readonly silent_ms: number }[];
  readonly sources: readonly InstanceSource[];
  readonly transports: Readonly<Record<string, { connections: number; dropped: number }>>;
  readonly companies: { readonly known: number; readonly refused: Record<string, number> };
  readonly deliveries: DeliveryStats | null;
  /** Messages that peers send to `/ws`. */
  readonly inbound: InboundStats | null;
  readonly slowest_connections: readonly ConnectionStats[];
  readonly fanout: StoreStats;
  readonly memory: { readonly rss: number };
}

export interface InstanceStats {
  readonly id: string;
  readonly messages: number;
  readonly subscribers: number;
  readonly devices: number;
  readonly silent_ms: number;
  /** Optional fields are missing from instances of older versions. */
  readonly pending?: number;
  readonly sent?: number;
  readonly dropped?: number;
  readonly queued?: number;
  readonly sources?: readonly InstanceSource[];
}

export interface InstanceSource {
  readonly name: string;
  readonly state: string;
  readonly reason?: string;
  readonly received: number;
  readonly malformed?: number;
  readonly dropped?: number;
  readonly reconnects?: number;
  readonly lag?: number | null;
}

export interface ConnectionStats {
  readonly transport: string;
  readonly network: string;
  readonly age_seconds: number;
  readonly devices: number | null;
  readonly mode: "all" | "latest";
  readonly sent: number;
  readonly dropped: number;
  readonly queued_messages: number;
  readonly queued_bytes: number;
  readonly unsent_bytes: number;
}

export interface DeliveryStats {
  readonly waiting: number;
  readonly oldest_ms: number;
  readonly done: number;
  /** Failed for good, and kept until retried. */
  readonly kept_dead: number;
}

export interface InboundStats {
  readonly peers: number;
  readonly received: number;
  readonly refused: number;
}

export interface StoreStats {
  readonly state: "starting" | "ready" | "away" | "memory";
  readonly reason?: string;
  /** Milliseconds since 1970. */
  readonly since?: number;
  readonly epoch: string;
  readonly position: number;
  readonly floor: number;
  readonly pending: number;
  readonly recent_bytes: number;
  readonly devices: number;
}

export interface Readiness {
  readonly status: "ok" | "degraded" | "starting" | "draining";
  readonly reasons?: readonly string[];
}

export interface Delivery {
  readonly id: string;
  readonly kind: string;
  readonly state: "waiting" | "dead";
  readonly attempts: number;
  readonly reason: string | null;
}
