/** Both pages on the program itself, with a real broker. */

/// <reference lib="dom" />
import assert from "node:assert/strict";
import { SignJWT } from "jose";
import mqtt from "mqtt";
import { Mosquitto } from "../kit/servers/mosquitto.ts";
import { MqttPublisher } from "../kit/clients/mqtt_publisher.ts";
import { trackingPayload } from "../kit/payload.ts";
import { Telecast } from "../kit/servers/telecast.ts";
import { browserTest, type BrowserTestOptions, waitForIds, waitForText } from "./page_kit.ts";

const SECRET = "a secret of at least thirty-two bytes";
const FAULTS = /WebSocket connection|ERR_|Failed to load/;

function token(claims: Record<string, unknown>): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg: "HS256" })
    .sign(new TextEncoder().encode(SECRET));
}

class World implements AsyncDisposable {
  private constructor(
    readonly mosquitto: Mosquitto,
    readonly telecast: Telecast,
    private readonly stack: AsyncDisposableStack,
  ) {}

  static async start(): Promise<World> {
    await using stack = new AsyncDisposableStack();
    const mosquitto = stack.use(await Mosquitto.start());
    const telecast = stack.use(
      await Telecast.start({
        env: {
          BROKER_HOST: `127.0.0.1:${new URL(mosquitto.url).port}`,
          AUTH_JWT_SECRET: SECRET,
        },
      }),
    );
    return new World(mosquitto, telecast, stack.move());
  }

  get url(): string {
    return `${this.telecast.url}/`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack.disposeAsync();
  }
}

function programTest(
  name: string,
  options: BrowserTestOptions,
  body: Parameters<typeof browserTest<World>>[3],
): void {
  browserTest(name, World.start, { expectedFaults: FAULTS, ...options }, body);
}

programTest(
  "a dispatcher sees the company's own devices, commands one, and loses nothing across a restart",
  {},
  async (page, { mosquitto, telecast }) => {
    await using devices = await MqttPublisher.connect(mosquitto.url);
    const send = (id: string, n: number, data = {}) =>
      devices.publish(`tracking/${id}`, trackingPayload(id, n, { data }));
    await page.fill(
      "#token-input",
      await token({ scope: "stream publish", device_ids: ["cota-*"] }),
    );
    await page.keyboard.press("Enter");
    await waitForText(page, "#connection", /Live/);
    for (const id of ["cota-1", "funza-1", "cota-2"]) await send(id, 1);
    await waitForIds(page, ["cota-1", "cota-2"]);

    await page.locator(".vehicle").filter({ hasText: "cota-1" }).click();
    await waitForText(page, ".raw", /"DEVICE_ID": "cota-1"/);
    const received = Promise.withResolvers<string>();
    const device = mqtt.connect(mosquitto.url);
    device.on("message", (topic, payload) => received.resolve(`${topic} ${payload}`));
    await device.subscribeAsync("bombercat/commands/cota-1");
    await page.getByText("Send a command").click();
    await page.fill("#command-input", '{"action":"lock"}');
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await waitForText(page, "#command-outcome", /On its way/);
    assert.equal(await received.promise, 'bombercat/commands/cota-1 {"action":"lock"}');
    await device.endAsync();

    await telecast.kill();
    await waitForText(page, "#connection", /No connection/);
    await page.waitForFunction(() => document.title.startsWith("No connection"));
    await telecast.start();
    await waitForText(page, "#figure-resumed", /[1-9]\d* · complete/);
    await send("cota-1", 2, { SPEED: "71" });
    await waitForText(page, ".vehicle", /cota-1.*71 km\/h/s);
  },
);

programTest(
  "an operator sees that a broker goes down and comes back",
  { path: "ops" },
  async (page, { mosquitto }) => {
    await page.fill("#token-input", await token({ scope: "admin", device_ids: [] }));
    await page.keyboard.press("Enter");
    await waitForText(page, "#sources", /mqtt.*Connected/);
    await waitForText(page, "#problems", /All is well/);
    await mosquitto.stop("SIGKILL");
    await waitForText(page, "#problems", /Source mqtt \(\w+\) is not connected/);
    await waitForText(page, "#sources", /mqtt.*Retrying/);
    await mosquitto.start();
    await waitForText(page, "#problems", /All is well/);
    await waitForText(page, "#sources", /mqtt.*Connected/);
  },
);
