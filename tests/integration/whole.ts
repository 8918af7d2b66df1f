/** The program with data for all its routes and metrics, connected to real brokers. */

import { SignJWT } from "jose";
import { AwsBroker, DEVICE } from "../ingest/aws_iot/aws_broker.ts";
import { eventually } from "../kit/eventually.ts";
import { Mosquitto } from "../kit/servers/mosquitto.ts";
import { Telecast } from "../kit/servers/telecast.ts";

const SECRET = "a secret of the test, of 32 characters and more";
const KNOWN_DEVICE = "0848086072";

/** MQTT, AWS IoT Core and a backend that refuses; a device with messages, a dead delivery. */
export class Whole implements AsyncDisposable {
  private constructor(
    readonly telecast: Telecast,
    /** Grants everything; undefined if tokens are not used. */
    readonly token: string | undefined,
    private readonly stack: AsyncDisposableStack,
  ) {}

  static async start({ tokens = false }: { tokens?: boolean } = {}): Promise<Whole> {
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

function tokenFor(scope: string): Promise<string> {
  return new SignJWT({ scope, device_ids: "*" }).setProtectedHeader({ alg: "HS256" })
    .setExpirationTime("1h").sign(new TextEncoder().encode(SECRET));
}
