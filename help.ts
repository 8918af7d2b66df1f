/** What --help prints. */

export const HELP = `Telecast streams the telemetry of devices to browsers and services.

Usage: deno task start [flags]      deno task dev: with an embedded broker and a demo fleet

  --mqtt --kafka --iot --websocket   start these sources only; --both: --mqtt and --websocket
  --no-http                          serve nothing
  --check                            check the configuration, and leave
  --shadow                           run beside a system that this one will replace
  --help                             this text

It is configured by its environment; README.md has every variable. The main ones:

  BROKER_HOST, BROKER_TOPIC, MQTT_USERNAME, MQTT_PASSWORD   an MQTT broker
  KAFKA_BOOTSTRAP_SERVERS, KAFKA_TOPIC, KAFKA_GROUP_ID      Kafka or Redpanda
  AWS_IOT_ENDPOINT, AWS_IOT_CERT_PATH, AWS_IOT_KEY_PATH, …  AWS IoT Core
  BACKEND_URL, WHATSAPP_API_URL, WEBSOCKET_URL, …           alarm panels
  HOST, PORT                                                where to listen: 127.0.0.1, 8000
  DENO_KV_URL                                               a path, a URL, or memory:
  LOG_LEVEL, LOG_FORMAT, STATSD_HOST                        what to tell, and to whom
`;
