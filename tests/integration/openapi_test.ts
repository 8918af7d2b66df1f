/** openapi.json against the program that it describes, with brokers behind it. */

import assert from "node:assert/strict";
import { SignJWT } from "jose";
import { OPERATIONS } from "../../routes/openapi/document.ts";
import { curlCommand, exampleRequest } from "../../routes/openapi/example_request.ts";
import { AwsBroker, DEVICE } from "../ingest/aws_iot/aws_broker.ts";
import { eventually } from "../kit/eventually.ts";
import { Mosquitto } from "../kit/mosquitto.ts";
import { TestProcess } from "../kit/process.ts";
import { Telecast } from "../kit/telecast.ts";

const SECRET = "a secret of the test, of 32 characters and more";
const SCHEMATHESIS = `${Deno.env.get("HOME")}/.cache/telecast/schemathesis/bin/st`;
const STREAM = "/api/v1/stream";
const INBOUND = "/ws";
/** Known, with messages, and with a delivery that the backend refused. */
const KNOWN_DEVICE = "0848086072";

/** The program with all that its routes can use, and something to be found in each. */
class Whole implements AsyncDisposable {
  private constructor(
    readonly telecast: Telecast,
    readonly token: string | undefined,
    private readonly stack: AsyncDisposableStack,
  ) {}

  static async start({ tokens }: { tokens: boolean }): Promise<Whole> {
    await using stack = new AsyncDisposableStack();
    const mosquitto = stack.use(await Mosquitto.start());
    const aws = stack.use(await AwsBroker.start({ commands: true }));
    const thing = await aws.thing(DEVICE);
    const backend = stack.adopt(
      Deno.serve(
        { port: 0, hostname: "127.0.0.1", onListen() {} },
        () => new Response(null, { status: 422 }),
      ),
      (server) => server.shutdown(),
    );
    const telecast = stack.use(
      await Telecast.start({
        env: {
          DENO_KV_URL: "memory:",
          BROKER_HOST: mosquitto.url,
          AWS_IOT_ENDPOINT: aws.endpoint,
          AWS_IOT_CERT_PATH: thing.certPath,
          AWS_IOT_KEY_PATH: thing.keyPath,
          AWS_IOT_CA_PATH: thing.caPath,
          AWS_IOT_CLIENT_ID: thing.clientId,
          BACKEND_URL: `http://127.0.0.1:${backend.addr.port}`,
          LOG_LEVEL: "error",
          ...(tokens && { AUTH_JWT_SECRET: SECRET }),
        },
      }),
    );
    const token = tokens ? await tokenFor("stream publish admin") : undefined;
    const whole = new Whole(telecast, token, stack.move());
    await whole.#fill();
    return whole;
  }

  get headers(): Record<string, string> {
    return this.token ? { Authorization: `Bearer ${this.token}` } : {};
  }

  async schemathesis(...args: string[]): Promise<string> {
    await using process = TestProcess.start(SCHEMATHESIS, {
      args: [
        ...["run", `${this.telecast.url}/openapi.json`, "--checks", "all", "--seed", "4711"],
        ...["--continue-on-failure", "--no-shrink", "--request-timeout", "30"],
        ...["--suppress-health-check", "all"],
        ...Object.entries(this.headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]),
        ...args,
      ],
      cwd: this.telecast.cwd,
      env: { NO_COLOR: "1" },
    });
    const { code } = await process.waitForExit({ timeoutMs: 120_000 });
    assert.equal(code, 0, process.output);
    return process.output;
  }

  async #fill(): Promise<void> {
    const post = (topic: string, payload: unknown) =>
      this.telecast.json("/api/v1/publish", {
        method: "POST",
        headers: this.headers,
        body: JSON.stringify({ topic, payload }),
      });
    const get = (path: string) => this.telecast.json(path, { headers: this.headers });
    await eventually("the sources are connected", async () => {
      const { sources } = await get("/api/v1/stats");
      return sources.length === 2 &&
        sources.every(({ state }: { state: string }) => state === "connected");
    });
    await post("fleet", { device_id: KNOWN_DEVICE, data: { speed: 42 } });
    await post("empresas", {
      tipo_mensaje: "estado",
      empresa: "funza",
      status: "ok",
      timestamp: 1,
    });
    await eventually("a device and a dead delivery are known", async () => {
      const { devices } = await get("/api/v1/devices");
      const { deliveries } = await get("/api/v1/deliveries?state=dead");
      return devices.length >= 2 && deliveries.length === 1;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack[Symbol.asyncDispose]();
  }
}

/** The same server, but for its streams: they end after their first bytes. */
function cutStreams(url: string): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const { pathname, search } = new URL(request.url);
    const response = await fetch(url + pathname + search, request);
    if (!response.headers.get("content-type")?.startsWith("text/event-stream")) return response;
    const reader = response.body!.getReader();
    const { value } = await reader.read();
    await reader.cancel();
    return new Response(value, { status: response.status, headers: response.headers });
  });
}

function tokenFor(scope: string): Promise<string> {
  return new SignJWT({ scope, device_ids: "*" }).setProtectedHeader({ alg: "HS256" })
    .setExpirationTime("1h").sign(new TextEncoder().encode(SECRET));
}

for (const tokens of [false, true]) {
  const how = tokens ? "with a token" : "open";
  Deno.test(`schemathesis finds nothing wrong with any route, ${how}`, async () => {
    await using whole = await Whole.start({ tokens });
    const output = await whole.schemathesis(
      ...["--exclude-path", STREAM, "--exclude-path", INBOUND],
      ...["--max-examples", "15"],
    );
    const [, tested] = /Tested: (\d+)/.exec(output) ?? [];
    // It leaves out the document that it has read.
    assert.equal(Number(tested), OPERATIONS.length - 3, output);
    await using streams = cutStreams(whole.telecast.url);
    // OpenAPI cannot say that something is for WebSockets alone: batch_ms, and all of /ws.
    await whole.schemathesis(
      ...["--include-path", STREAM, "--include-path", INBOUND],
      ...["--url", `http://127.0.0.1:${streams.addr.port}`],
      ...["--phases", "examples,fuzzing", "--max-examples", "50"],
      ...["--exclude-checks", "positive_data_acceptance"],
    );
  });

  Deno.test(`the examples of /docs work as they stand, ${how}`, async () => {
    await using whole = await Whole.start({ tokens });
    const { deliveries } = await whole.telecast.json("/api/v1/deliveries", {
      headers: whole.headers,
    });
    const page = await (await fetch(`${whole.telecast.url}/docs`)).text();
    for (const operation of OPERATIONS.filter(({ websocketOnly }) => !websocketOnly)) {
      const request = exampleRequest(operation);
      const token = tokens && operation.scope !== undefined;
      const command = curlCommand(request, { origin: whole.telecast.url, token });
      assert.ok(page.includes(escapeHtml(command)), command);
      const run = command.replace("cota-81", deliveries[0].id)
        // An answer without an end is cut off once it has begun.
        .replace("curl -N", "curl -N --max-time 2")
        .replace("curl", "curl -s -o /dev/null -w '%{http_code}'");
      await using curl = TestProcess.start("sh", {
        args: ["-c", run],
        env: { TOKEN: whole.token ?? "" },
      });
      await curl.waitForExit();
      assert.match(curl.stdout, /^20[01]$/, `${run}\n${curl.output}`);
    }
  });
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("'", "&#39;");
}
