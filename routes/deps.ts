/** What the routes need of the program. */

import type { Hub } from "../broker/hub.ts";
import type { Fanout } from "../broker/fanout.ts";
import type { Config } from "../config.ts";
import type { Outgoing } from "../ingest/source.ts";
import type { Health } from "../health.ts";

/** A source as stats show it. */
export interface SourceStatus {
  readonly name: string;
  readonly kind: string;
  readonly state: string;
  readonly reason?: string | undefined;
  readonly received: number;
  readonly malformed: number;
  readonly dropped: number;
  readonly reconnects: number;
  /** More that the kind of source knows of itself, e.g. lag by partition. */
  readonly detail?: unknown;
}

export interface AppDeps {
  readonly config: Config;
  readonly hub: Hub;
  readonly fanout: Fanout;
  readonly health: Health;
  /** Names this instance. */
  readonly instance: string;
  sources(): readonly SourceStatus[];
  /** Publishes at the MQTT broker, resolves after its ack; undefined where there is none. */
  readonly publish?: ((message: Outgoing, timeoutMs: number) => Promise<void>) | undefined;
  /** Messages that came in through this instance and were stored. */
  processed(): number;
}
