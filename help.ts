/** What --help prints. */

export const HELP = `Telecast streams the telemetry of devices to browsers and services.

Usage: deno task start [flags]         configured by the environment
       deno task --env-file=.env start or by a file: copy .env.example
       deno task dev                   with an embedded broker and a demo fleet

Flags
  --mqtt --kafka --iot --websocket     start these sources only; without any, all that are set
  --both                               --mqtt and --websocket
  --no-http                            serve nothing
  --check                              show the configuration and what is wrong with it, and leave
  --shadow                             run beside a system that this one will replace
  --help, -h                           this text

Server
  HOST, PORT                           where to listen: 127.0.0.1, 8000
  TLS_CERT_PATH, TLS_KEY_PATH          serve https and wss
  CORS_ORIGINS                         pages that may connect: *
  TRUST_PROXY                          true behind a proxy that sets X-Forwarded-For
  WEB_CONCURRENCY                      threads that serve clients: 1
  MAP_TILES_URL                        ground for the map of the live page: none

Who may do what; without the first or the second everything is open
  AUTH_JWT_SECRET                      secret of HS256 tokens
  AUTH_JWKS_URL                        or where an identity provider's keys are
  AUTH_AUDIENCE, AUTH_ISSUER           what a token's aud and iss must be
  AUTH_CLOCK_SKEW_SECONDS              5

MQTT
  BROKER_HOST                          host, host:port, or a mqtt://, mqtts://, ws://, wss:// URL
  MQTT_BROKER, MQTT_PORT               the same, in two
  BROKER_TOPIC                         topics, joined by commas: #
  MQTT_USERNAME, MQTT_PASSWORD, MQTT_CA_PATH, MQTT_CLIENT_ID, MQTT_QOS (1)

Kafka, Redpanda
  KAFKA_BOOTSTRAP_SERVERS, KAFKA_TOPIC host:port and topics, each joined by commas
  KAFKA_GROUP_ID                       telecast
  KAFKA_AUTO_OFFSET_RESET              where a new group starts: latest, or earliest
  KAFKA_USERNAME, KAFKA_PASSWORD, KAFKA_SASL_MECHANISM (plain, scram-sha-256, scram-sha-512)
  KAFKA_SSL, KAFKA_CA_PATH, KAFKA_CERT_PATH, KAFKA_KEY_PATH

AWS IoT Core: the first five, or none
  AWS_IOT_ENDPOINT, AWS_IOT_CERT_PATH, AWS_IOT_KEY_PATH, AWS_IOT_CA_PATH, AWS_IOT_CLIENT_ID
  AWS_IOT_DEVICE_ID, AWS_IOT_TOPICS (bombercat/commands/#), COMMAND_TOPIC_PREFIX

Alarm panels
  WEBSOCKET_URL                        an upstream WebSocket, as a source
  BACKEND_URL                          where alarms are sent to
  WHATSAPP_API_URL, WHATSAPP_TOKEN, WHATSAPP_RECIPIENTS

Store, and several instances
  DENO_KV_URL                          a path below ./data, a denokv URL, or memory:
  DENO_KV_ACCESS_TOKEN                 for a denokv server
  INGEST_MODE                          who reads the sources: lease (one), shared, all
  RETENTION_SECONDS                    how long messages are kept for who comes back: 300

Streams
  KEEPALIVE_SECONDS, STALE_SECONDS     60 between pings; a device is stale after 300
  DRAIN_SECONDS                        what clients get to leave at the end: 5
  WS_REQUIRE_DEVICE_IDS                false: a WebSocket without device_ids gets every device
  DEVICE_ID_PATH, MAX_MESSAGE_BYTES    where the id stands in a message; 60000

Limits
  MAX_CONNECTIONS, MAX_CONNECTIONS_PER_IP, MAX_CONNECTIONS_PER_TOKEN
  MAX_NEW_CONNECTIONS_PER_SECOND, MAX_COMMANDS_PER_SECOND, MAX_POSTS_PER_SECOND
  MAX_DEVICE_IDS, MAX_BODY_BYTES, MAX_URL_BYTES, MAX_HEADER_BYTES
  QUEUE_MAX_PER_DEVICE, QUEUE_MAX_BYTES
  CONNECTION_GUARD, CONNECTION_HANDSHAKE_SECONDS, CONNECTION_IDLE_SECONDS, CONNECTION_WRITE_SECONDS

What it tells
  LOG_LEVEL, LOG_FORMAT, LOG_FILE      info; text on a terminal, json elsewhere; below ./data
  STATSD_HOST                          figures over UDP; /metrics has them for Prometheus
  NO_COLOR                             no colors on a terminal either

It ends with 0 after a signal, 2 where the configuration cannot be used, 1 after another failure.
README.md and .env.example say more of each variable; a running server has its pages at /, /ops and
/docs.
`;
