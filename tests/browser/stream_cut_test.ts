/// <reference lib="dom" />
/** Chromium's own EventSource and the client library, cut repeatedly under load. */

import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import type { TelecastConstructor } from "../../client/types.ts";
import { Checker } from "../kit/checker.ts";
import { eventually } from "../kit/eventually.ts";
import { Mosquitto } from "../kit/servers/mosquitto.ts";
import { MqttPublisher } from "../kit/clients/mqtt_publisher.ts";
import { trackingPayload } from "../kit/payload.ts";
import { TcpProxy } from "../kit/servers/tcp_proxy.ts";
import { Telecast } from "../kit/servers/telecast.ts";
import { TempDir } from "../kit/temp_dir.ts";
import { launchChromium } from "./chromium.ts";

const CUTS = 20;
const PER_SECOND = 500;
const DEVICES = ["A", "B", "C", "D"];
const LIMIT = { timeoutMs: 60_000 };

/** What a client on the page has seen. */
interface Seen {
  /** Device and number of each message, in order. */
  readonly messages: [string, number][];
  readonly resumed: string[];
  open: boolean;
}

declare const seen: { eventSource: Seen; library: Seen };

Deno.test({
  name: "EventSource and the library miss and repeat nothing when cut 20 times at 500 msg/s",
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    await using stack = new AsyncDisposableStack();
    const broker = stack.use(await Mosquitto.start());
    const { path: cwd } = stack.use(await TempDir.create("telecast-"));
    const env = { BROKER_HOST: broker.url };
    const instances = [
      stack.use(await Telecast.start({ cwd, env })),
      stack.use(await Telecast.start({ cwd, env })),
    ];
    await instances[0]!.waitForSource();
    const proxy = stack.use(await TcpProxy.start(instances[0]!.port));
    const browser = await launchChromium();
    stack.defer(() => browser.close());
    const page = await browser.newPage({ bypassCSP: true });
    await page.goto(`http://127.0.0.1:${proxy.port}/livez`);
    await open(page);
    await eventually("both are connected", async () => {
      const { active_subscribers } = await instances[0]!.json("/api/v1/stream/stats");
      return active_subscribers === 2;
    }, LIMIT);

    const checker = new Checker();
    const publisher = stack.use(await MqttPublisher.connect(broker.url));
    const stop = new AbortController();
    const publishing = publisher.publishAtRate((i) => {
      const device = DEVICES[i % DEVICES.length]!;
      return { topic: `fleet/${device}`, payload: trackingPayload(device, checker.next(device)) };
    }, { perSecond: PER_SECOND, signal: stop.signal });

    for (let cut = 1; cut <= CUTS; cut++) {
      // A message from before the cut may still arrive: alone, it does not prove a reconnect.
      await page.evaluate(() => {
        for (const client of Object.values(seen)) client.open = false;
      });
      await page.waitForFunction(
        (cuts) =>
          Object.values(seen).every((client) => client.open && client.resumed.length === cuts),
        cut - 1,
        { timeout: LIMIT.timeoutMs },
      );
      proxy.retarget(instances[cut % instances.length]!.port);
      proxy.reset();
    }
    stop.abort();
    const published = await publishing;

    const clients = ["eventSource", "library"] as const;
    await eventually("both have everything", async () => {
      const counts = await page.evaluate(() =>
        Object.values(seen).map(({ messages }) => messages.length)
      );
      return counts.every((count) => count >= published);
    }, LIMIT);
    for (const name of clients) {
      const { messages, resumed } = await page.evaluate((name) => seen[name], name);
      const checked = checker.client(name, { devices: "*" });
      for (const [device, seq] of messages) checked.saw(device, seq);
      assert.equal(resumed.length, CUTS, `${name} came back ${resumed.length} times`);
      assert.deepEqual(new Set(resumed), new Set(["full"]), name);
    }
    checker.assertFlawless();
    assert.ok(published > CUTS * PER_SECOND, `${published} were published`);
  },
});

/** Opens both clients in the page; a message marks a client as open. */
async function open(page: Page): Promise<void> {
  await page.evaluate(async () => {
    const begin = (): Seen => ({ messages: [], resumed: [], open: false });
    const clients = { eventSource: begin(), library: begin() };
    Object.assign(globalThis, { seen: clients });
    const note = (client: Seen, { data }: { data: { DEVICE_ID: string; SEQ: number } }) => {
      client.messages.push([data.DEVICE_ID, data.SEQ]);
      client.open = true;
    };

    const source = new EventSource("/api/v1/stream");
    source.addEventListener("message", ({ data }) => note(clients.eventSource, JSON.parse(data)));
    source.addEventListener(
      "resumed",
      ({ data }) => clients.eventSource.resumed.push(JSON.parse(data).status),
    );

    const address = new URL("client.js", location.origin).href;
    const { Telecast }: { Telecast: TelecastConstructor } = await import(address);
    const client = new Telecast<{ data: { DEVICE_ID: string; SEQ: number } }>("/", {
      deviceIds: "*",
      transport: "ws",
      // Connections are short-lived here: by default, each wait would be longer than the last.
      backoff: { baseMs: 500, maxMs: 3_000 },
    });
    client.on("message", ({ data }) => note(clients.library, data));
    client.on("resumed", ({ status }) => clients.library.resumed.push(status));
    while (client.cursor === undefined) await new Promise((resolve) => setTimeout(resolve, 10));
  });
}
