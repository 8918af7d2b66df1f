/** OpenTelemetry, as exported by Deno, with the permissions of production. */

import assert from "node:assert/strict";
import { SignJWT } from "jose";
import { eventually } from "../kit/eventually.ts";
import { Telecast } from "../kit/servers/telecast.ts";
import { WsClient } from "../kit/clients/ws_client.ts";

const SECRET = "a secret of the test, of 32 characters and more";

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string };
}

interface Metric {
  readonly name: string;
  readonly sum?: Points;
  readonly gauge?: Points;
  readonly histogram?: Points;
}

interface Points {
  readonly dataPoints: {
    readonly attributes: readonly Attribute[];
    readonly asDouble?: number;
    readonly count?: string | number;
  }[];
}

interface Span {
  readonly name: string;
  readonly attributes: readonly Attribute[];
}

/** Receives OTLP over HTTP, as JSON. */
class Receiver implements AsyncDisposable {
  readonly spans: Span[] = [];
  readonly services = new Set<string>();
  readonly metrics = new Map<string, Metric>();
  text = "";
  readonly #server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (r) => {
    const text = await r.text();
    this.text += text;
    const { resourceSpans = [], resourceMetrics = [] } = JSON.parse(text);
    for (const { resource, scopeSpans } of resourceSpans) {
      this.services.add(valueOf(resource.attributes, "service.name") ?? "");
      for (const { spans } of scopeSpans) this.spans.push(...spans);
    }
    for (const { scopeMetrics } of resourceMetrics) {
      for (const { metrics } of scopeMetrics) {
        for (const metric of metrics) this.metrics.set(metric.name, metric);
      }
    }
    return Response.json({});
  });

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

function valueOf(attributes: readonly Attribute[], key: string): string | undefined {
  return attributes.find((attribute) => attribute.key === key)?.value.stringValue;
}

Deno.test("OTEL_DENO=true exports requests by route and the metrics of /metrics, but no token", async () => {
  await using receiver = new Receiver();
  await using telecast = await Telecast.start({
    args: ["--dev"],
    env: {
      AUTH_JWT_SECRET: SECRET,
      OTEL_DENO: "true",
      OTEL_SERVICE_NAME: "telecast-of-the-test",
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_METRIC_EXPORT_INTERVAL: "500",
      OTEL_BSP_SCHEDULE_DELAY: "500",
    },
  });
  const token = await new SignJWT({ scope: "stream", device_ids: "*" })
    .setProtectedHeader({ alg: "HS256" }).sign(new TextEncoder().encode(SECRET));
  const headers = { authorization: `Bearer ${token}` };
  await using client = await WsClient.open(telecast.wsUrl("device_ids=*"), {
    protocols: [`bearer.${token}`],
  });
  await client.waitForMessages(5);
  await (await fetch(`${telecast.url}/api/v1/devices/nobody`, { headers })).body?.cancel();

  await eventually(
    "the span of the request",
    () =>
      receiver.spans.some(({ name, attributes }) =>
        name === "GET /api/v1/devices/:id" &&
        valueOf(attributes, "http.route") === "/api/v1/devices/:id" &&
        valueOf(attributes, "http.response.status_code") === "404"
      ),
  );
  const points = (name: string, kind: "sum" | "gauge" | "histogram") =>
    receiver.metrics.get(name)?.[kind]?.dataPoints ?? [];
  await eventually("the metrics", () => {
    const ws = points("telecast_connections", "gauge").find(({ attributes }) =>
      valueOf(attributes, "transport") === "ws"
    );
    const sent = points("telecast_sent", "sum").some(({ asDouble }) => asDouble! >= 5);
    const stages = points("telecast_stage_seconds", "histogram").filter(({ count }) =>
      Number(count) > 0
    ).map(({ attributes }) => valueOf(attributes, "stage"));
    return ws?.asDouble === 1 && sent &&
      ["receive", "handover", "append", "send"].every((stage) => stages.includes(stage));
  });
  assert.deepEqual([...receiver.services], ["telecast-of-the-test"]);
  assert.ok(!receiver.text.includes(token));
});
