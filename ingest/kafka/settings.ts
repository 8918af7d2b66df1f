/** How the source is configured. */

import type { BackoffOptions } from "../../lib/backoff.ts";

/** What the variables say. */
export interface KafkaConfig {
  readonly servers: readonly string[];
  readonly topics: readonly string[];
  readonly groupId: string;
  readonly fromBeginning: boolean;
  readonly sasl:
    | { mechanism: "plain" | "scram-sha-256" | "scram-sha-512"; username: string; password: string }
    | undefined;
  readonly ssl: boolean;
  readonly caPath: string | undefined;
  readonly certPath: string | undefined;
  readonly keyPath: string | undefined;
}

/** What its worker is started with. */
export interface KafkaSourceConfig extends KafkaConfig {
  readonly clientId: string;
  readonly backoff?: BackoffOptions | undefined;
  /** After this much silence the group gives this member's partitions to others. */
  readonly sessionMs?: number | undefined;
}
