FROM denoland/deno:2.9.6

RUN mkdir -p /app/data && chown deno:deno /app/data
WORKDIR /app
# The uid of user deno: Kubernetes needs a number to verify that it is not root.
USER 1993

# Dependencies change less often than the program, so they have their own layer.
COPY deno.json deno.lock ./
RUN deno install --frozen

# Deno does not find the workers through main.ts, so each one is listed.
COPY . .
RUN deno cache --frozen main.ts server/thread.ts server/guard/worker.ts ingest/*/worker.ts deploy/healthcheck.ts

ENV HOST=0.0.0.0
EXPOSE 8000
VOLUME /app/data
# The certificate is for this server's public name, not for 127.0.0.1.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["deno", "run", "--cached-only", "--allow-net=127.0.0.1", "--allow-env=PORT,TLS_CERT_PATH", "--unsafely-ignore-certificate-errors=127.0.0.1", "deploy/healthcheck.ts"]

# The permissions of `deno task start`; tests/config/permissions_test.ts keeps them equal.
CMD [ \
  "deno", \
  "run", \
  "--cached-only", \
  "--allow-net", \
  "--allow-read", \
  "--allow-write=data", \
  "--ignore-env", \
  "--allow-env=HOST,PORT,BROKER_*,MQTT_*,KAFKA_*,AWS_IOT_*,COMMAND_TOPIC_PREFIX,WEBSOCKET_URL,BACKEND_URL,WHATSAPP_*,INGEST_MODE,DENO_KV_*,RETENTION_SECONDS,DRAIN_SECONDS,KEEPALIVE_SECONDS,STALE_SECONDS,MAX_*,QUEUE_MAX_*,WS_REQUIRE_DEVICE_IDS,DEVICE_ID_PATH,STATSD_HOST,LOG_*,CORS_ORIGINS,CONNECTION_*,TRUST_PROXY,AUTH_*,TLS_*,MAP_TILES_URL,WEB_CONCURRENCY", \
  "main.ts" \
]
