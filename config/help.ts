/** The text of `--help`. */

import type { SourceDeclaration } from "./source_declaration.ts";

export function helpOf(sources: readonly SourceDeclaration[]): string {
  return `Telecast streams the telemetry of devices to browsers and services.

Usage: deno task start [flags]         configured by the environment
       deno task --env-file=.env start or by a file: copy .env.example
       deno task dev                   with an embedded broker and a demo fleet

Flags
  ${
    sources.map(({ flags }) => flags[0]).join(" ").padEnd(36)
  } start only these sources; without a flag, all that are set
  --both                               --mqtt and --websocket
  --no-http                            do not listen
  --check                              validate the configuration, print it and exit
  --shadow                             run beside the system that Telecast will replace
  --help, -h                           print this text

Server
  HOST, PORT                           where to listen: 127.0.0.1, 8000
  TLS_CERT_PATH, TLS_KEY_PATH          serve https and wss
  CORS_ORIGINS                         origins of pages that may connect: *
  TRUST_PROXY                          true behind a proxy that sets X-Forwarded-For
  WEB_CONCURRENCY                      threads that serve clients: 1
  MAP_TILES_URL                        map tiles of the live page: none

Access: open to everyone unless one of the first two is set
  AUTH_JWT_SECRET                      secret of HS256 tokens
  AUTH_JWKS_URL                        or the URL of an identity provider's keys (JWKS)
  AUTH_AUDIENCE, AUTH_ISSUER           required aud and iss of a token
  AUTH_CLOCK_SKEW_SECONDS              allowed clock skew of a token's times: 5

${sources.map(({ help }) => help).join("\n\n")}

Messages
  DEVICE_ID_PATH                       path of the device id in a message
  MAX_MESSAGE_BYTES                    longer messages are skipped: 60000
  COMMAND_TOPIC_PREFIX                 command topics, without the id: bombercat/commands/

Alarm panels
  BACKEND_URL                          where alarms are posted
  WHATSAPP_API_URL, WHATSAPP_TOKEN, WHATSAPP_RECIPIENTS

Store and several instances
  DENO_KV_URL                          a path under ./data, a denokv URL, or memory:
  DENO_KV_ACCESS_TOKEN                 for a denokv server
  INGEST_MODE                          instances that read the sources: lease (one), shared, all
  RETENTION_SECONDS                    how long messages are kept for clients that reconnect: 300

Streams
  KEEPALIVE_SECONDS, STALE_SECONDS     between pings: 60; silence that makes a device stale: 300
  DRAIN_SECONDS                        time for clients to read waiting messages at a stop: 5
  WS_REQUIRE_DEVICE_IDS                false: a WebSocket without device_ids gets every device

Limits
  MAX_CONNECTIONS, MAX_CONNECTIONS_PER_IP, MAX_CONNECTIONS_PER_TOKEN
  MAX_NEW_CONNECTIONS_PER_SECOND, MAX_COMMANDS_PER_SECOND, MAX_POSTS_PER_SECOND
  MAX_DEVICE_IDS, MAX_BODY_BYTES, MAX_URL_BYTES, MAX_HEADER_BYTES
  QUEUE_MAX_PER_DEVICE, QUEUE_MAX_BYTES
  CONNECTION_GUARD, CONNECTION_HANDSHAKE_SECONDS, CONNECTION_IDLE_SECONDS, CONNECTION_WRITE_SECONDS

Logs and metrics
  LOG_LEVEL, LOG_FORMAT, LOG_FILE      info; text on a terminal, json elsewhere; under ./data
  STATSD_HOST                          metrics over UDP; /metrics serves them to Prometheus
  NO_COLOR                             no colors, even on a terminal

Exit codes: 0 after a signal, 2 for an invalid configuration, 1 for any other failure.
README.md and .env.example describe every variable. A running server has pages at /, /ops and /docs.
`;
}
