/** The whole configuration, as `readConfig()` returns it. */

import type { AuthConfig, Limits, TlsConfig, WhatsAppConfig } from "./sections.ts";
import type { LogLevel } from "./variables.ts";

export type { AuthConfig, LogLevel };

export interface Config {
  readonly host: string;
  readonly port: number;
  readonly http: boolean;
  readonly dev: boolean;
  readonly check: boolean;
  readonly shadow: boolean;
  /** Sections of the sources to start, by name; see `sectionOf()`. */
  readonly sources: ReadonlyMap<string, unknown>;
  readonly backendUrl: string | undefined;
  readonly whatsapp: WhatsAppConfig | undefined;
  readonly commandTopicPrefix: string;
  readonly ingestMode: "lease" | "shared" | "all";
  readonly kv: { readonly url: string | undefined; readonly accessToken: string | undefined };
  readonly retentionSeconds: number;
  readonly drainSeconds: number;
  readonly keepaliveSeconds: number;
  readonly staleSeconds: number;
  readonly maxDeviceIds: number;
  readonly maxMessageBytes: number;
  readonly queueMaxPerDevice: number;
  readonly queueMaxBytes: number;
  readonly requireDeviceIds: boolean;
  readonly deviceIdPath: readonly string[] | undefined;
  readonly statsd: { readonly host: string; readonly port: number } | undefined;
  readonly log: {
    readonly level: LogLevel;
    readonly format: "json" | "text" | undefined;
    readonly file: string | undefined;
  };
  readonly corsOrigins: readonly string[];
  readonly maxConnections: number;
  readonly maxConnectionsPerIp: number | undefined;
  readonly limits: Limits;
  /** Clients connect through a guard; with TLS they always do. */
  readonly connectionGuard: boolean;
  readonly trustProxy: boolean;
  /** Undefined: every route is open. */
  readonly auth: AuthConfig | undefined;
  readonly tls: TlsConfig | undefined;
  readonly mapTilesUrl: string | undefined;
  /** Threads that serve clients. */
  readonly threads: number;
}
