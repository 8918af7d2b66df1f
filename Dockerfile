FROM denoland/deno:2.9.6

RUN mkdir -p /app/data && chown deno:deno /app/data
WORKDIR /app
USER deno

# Dependencies change less often than the program: they have a layer of their own.
COPY deno.json deno.lock ./
RUN deno install --frozen

# Workers are not seen by looking at main.ts: all of the program is checked into the cache.
COPY . .
RUN deno cache --frozen main.ts ingest/*/worker.ts deploy/healthcheck.ts

ENV HOST=0.0.0.0
EXPOSE 8000
VOLUME /app/data
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["deno", "run", "--cached-only", "--allow-net=127.0.0.1", "--allow-env=PORT", "deploy/healthcheck.ts"]

# The permissions of `deno task start`; tests/permissions_test.ts keeps them equal.
CMD [ \
  "deno", \
  "run", \
  "--cached-only", \
  "--allow-net", \
  "--allow-read", \
  "--allow-write=data", \
  "--ignore-env", \
  "--allow-env=HOST,PORT,BROKER_HOST,MQTT_BROKER,MQTT_PORT,BROKER_TOPIC,MQTT_USERNAME,MQTT_PASSWORD,MQTT_CA_PATH,MQTT_CLIENT_ID,MQTT_QOS,KAFKA_BOOTSTRAP_SERVERS,KAFKA_TOPIC,KAFKA_GROUP_ID,KAFKA_AUTO_OFFSET_RESET,KAFKA_USERNAME,KAFKA_PASSWORD,KAFKA_SASL_MECHANISM,KAFKA_SSL,KAFKA_CA_PATH,KAFKA_CERT_PATH,KAFKA_KEY_PATH,AWS_IOT_ENDPOINT,AWS_IOT_CERT_PATH,AWS_IOT_KEY_PATH,AWS_IOT_CA_PATH,AWS_IOT_CLIENT_ID,AWS_IOT_DEVICE_ID,AWS_IOT_TOPICS,COMMAND_TOPIC_PREFIX,WEBSOCKET_URL,BACKEND_URL,WHATSAPP_API_URL,WHATSAPP_TOKEN,WHATSAPP_RECIPIENTS,INGEST_MODE,DENO_KV_URL,DENO_KV_ACCESS_TOKEN,RETENTION_SECONDS,DRAIN_SECONDS,KEEPALIVE_SECONDS,STALE_SECONDS,MAX_DEVICE_IDS,MAX_MESSAGE_BYTES,QUEUE_MAX_PER_DEVICE,QUEUE_MAX_BYTES,WS_REQUIRE_DEVICE_IDS,DEVICE_ID_PATH,STATSD_HOST,LOG_LEVEL,LOG_FORMAT,LOG_FILE,CORS_ORIGINS,MAX_CONNECTIONS,MAX_CONNECTIONS_PER_IP,TRUST_PROXY", \
  "main.ts" \
]
