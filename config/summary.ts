/** The configuration in a few sentences: what the program will do. */

import type { Config } from "./config.ts";
import type { SourceDeclaration } from "./source_declaration.ts";

/** One line per subject, without secrets. */
export function configSummary(
  config: Config,
  declared: readonly SourceDeclaration[],
): string[] {
  const { host, port, tls, http, threads, auth, corsOrigins, maxConnections } = config;
  const address = `${tls ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${port}`;
  return [
    `sources: ${
      sources(config, declared).join("; ") || "none, it serves what other instances receive"
    }`,
    `store: ${store(config)}, messages are kept for ${config.retentionSeconds} s`,
    http
      ? `clients: ${address}, at most ${maxConnections.toLocaleString("en")}` +
        `${perAddress(config)}, origins ${corsOrigins.join(" ")}${
          threads > 1 ? `, ${threads} threads` : ""
        }`
      : "clients: not served",
    `access: ${
      auth
        ? `by token, ${auth.jwksUrl ? "keys of an identity provider" : "a shared secret (HS256)"}`
        : "open, no token required"
    }`,
    ...(work(config).length > 0 ? [`deliveries: ${work(config).join(", ")}`] : []),
  ];
}

function sources(config: Config, declared: readonly SourceDeclaration[]): string[] {
  const { ingestMode, shadow } = config;
  const all = declared.flatMap((source) => {
    const section = config.sources.get(source.name);
    return section === undefined ? [] : [source.summary(section, config)];
  });
  if (all.length === 0) return [];
  return [...all, `mode ${ingestMode}${shadow ? ", shadow" : ""}`];
}

function store({ kv: { url } }: Config): string {
  if (url === undefined) return "data/telecast.sqlite";
  if (url === "memory:") return "memory, lost when this process ends";
  return /^https?:\/\//.test(url) ? new URL(url).origin : url;
}

function perAddress({ maxConnectionsPerIp: limit }: Config): string {
  return limit === undefined ? "" : ` and ${limit.toLocaleString("en")} per address`;
}

function work({ backendUrl, whatsapp, shadow }: Config): string[] {
  if (shadow) return [];
  return [
    ...(backendUrl === undefined ? [] : [new URL(backendUrl).origin]),
    ...(whatsapp ? [`WhatsApp ${new URL(whatsapp.url).origin}`] : []),
  ];
}
