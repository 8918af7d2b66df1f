/** Behind nginx and Caddy: reloads, clients that do not read, half-closed connections. */

import assert from "node:assert/strict";
import { connect, type TLSSocket } from "node:tls";
import { buildHolders, Holders } from "../holding/holders.ts";
import { Certificates } from "../kit/servers/certificates.ts";
import { Checker } from "../kit/checker.ts";
import { eventually } from "../kit/eventually.ts";
import { trackingPayload } from "../kit/payload.ts";
import { ResumingClient } from "../kit/clients/resuming_client.ts";
import { type ProxyKind, ReverseProxy } from "../kit/servers/reverse_proxy.ts";
import { say } from "../kit/say.ts";
import { System } from "../kit/system.ts";

const KINDS: readonly ProxyKind[] = ["nginx", "caddy"];
const RELOADS = 3;
/** The device that clients that read nothing ask for. */
const DEVICE = "bench-0";
const SLOW = 5;
/** More than the proxy and the kernel buffer for a client that reads nothing. */
const LARGE = 400;
const LARGE_CHARS = 50_000;
const TRANSPORTS = ["ws", "sse"] as const;

class Proxied implements AsyncDisposable {
  readonly checker = new Checker();
  readonly clients: ResumingClient[] = [];

  private constructor(
    readonly system: System,
    readonly proxy: ReverseProxy,
    private readonly client: Deno.HttpClient,
    private readonly stack: AsyncDisposableStack,
  ) {}

  /** Resolves when one client per transport is connected. */
  static async start(kind: ProxyKind, env: Record<string, string> = {}): Promise<Proxied> {
    await using stack = new AsyncDisposableStack();
    const certificates = stack.use(await Certificates.create());
    const system = stack.use(await System.start({ env }));
    const ports = [system.telecast.port];
    const proxy = stack.use(await ReverseProxy.start(kind, { certificates, ports }));
    const caCerts = [await Deno.readTextFile(certificates.caPath)];
    const client = stack.adopt(Deno.createHttpClient({ caCerts }), (client) => client.close());
    const proxied = new Proxied(system, proxy, client, stack.move());
    for (const transport of TRANSPORTS) await proxied.#add(transport);
    return proxied;
  }

  async publish(options: { chars?: number } = {}): Promise<void> {
    const payload = trackingPayload(DEVICE, this.checker.next(DEVICE), options);
    await this.system.publisher.publish(`fleet/${DEVICE}`, payload);
  }

  async assertFlawless(): Promise<void> {
    await eventually("all messages", () => this.checker.complete(), { timeoutMs: 60_000 });
    this.checker.assertFlawless();
  }

  /** The program's count of stream clients. */
  async subscribers(): Promise<number> {
    return (await this.system.telecast.json("/api/v1/stream/stats")).active_subscribers;
  }

  /** A request on its own connection; resolves when the answer begins, without reading it. */
  async request(...headers: string[]): Promise<TLSSocket> {
    const socket = connect({
      port: this.proxy.port,
      host: "127.0.0.1",
      rejectUnauthorized: false,
    });
    socket.on("error", () => {});
    const answered = new Promise((resolve) => socket.once("readable", resolve));
    const lines = [
      `GET /api/v1/stream?device_ids=${DEVICE} HTTP/1.1`,
      "Host: localhost",
      ...headers,
    ];
    socket.write(lines.join("\r\n") + "\r\n\r\n");
    await answered;
    return socket;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.clients) await client[Symbol.asyncDispose]();
    await this.stack.disposeAsync();
  }

  async #add(transport: "ws" | "sse"): Promise<void> {
    const checked = this.checker.client(transport, { devices: [DEVICE] });
    const url = `${this.proxy.url}/api/v1/stream`;
    const { client } = this;
    this.clients.push(
      await ResumingClient.start({ transport, url, deviceIds: [DEVICE], checked, client }),
    );
  }
}

const UPGRADE = [
  ...["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"],
  "Sec-WebSocket-Key: dGVsZWNhc3QgaXMgaGVyZQ==",
];

for (const kind of KINDS) {
  Deno.test(`no client misses a message when ${kind} is reloaded under load`, async () => {
    await using proxied = await Proxied.start(kind);
    const { proxy, clients } = proxied;
    for (let time = 0; time < RELOADS; time++) {
      const reloading = proxy.reload();
      for (let n = 0; n < 100; n++) await proxied.publish();
      await reloading;
      await using _new = await ResumingClient.start({
        ...clients[0]!.options,
        checked: new Checker().client("new", { devices: "*" }),
      });
    }
    await proxied.assertFlawless();
    for (const { options, connects, resumed } of clients) {
      say(`${kind}, ${options.transport}: ${connects} connections, ${JSON.stringify(resumed)}`);
      assert.equal((resumed.partial ?? 0) + (resumed.none ?? 0), 0);
    }
    if (kind === "nginx") assert.deepEqual(clients.map(({ connects }) => connects), [1, 1]);
  });

  Deno.test(`clients behind ${kind} that read nothing are closed, and others miss no message`, async () => {
    await buildHolders();
    await using proxied = await Proxied.start(kind, { CONNECTION_WRITE_SECONDS: "2" });
    const holders = (kind: string) =>
      Holders.start({ kind, port: proxied.proxy.port, clients: SLOW, devices: 1, tls: true });
    await using ws = holders("unread-ws");
    await using sse = holders("unread-sse");
    const running = Promise.all([ws.run(0.1), sse.run(0.1)]);
    await eventually("all connected", async () => await proxied.subscribers() === 2 + 2 * SLOW);
    await running;
    for (let n = 0; n < LARGE; n++) await proxied.publish({ chars: LARGE_CHARS });
    await proxied.assertFlawless();
    await eventually("they are closed", async () => await proxied.subscribers() === 2, {
      timeoutMs: 30_000,
    });
    assert.deepEqual(proxied.clients.map(({ connects }) => connects), [1, 1]);
  });

  Deno.test(`a client behind ${kind} that leaves or half-closes is no longer counted at once`, async () => {
    await using proxied = await Proxied.start(kind);
    for (const headers of [[], UPGRADE]) {
      for (
        const leave of [
          (socket: TLSSocket) => socket.end(),
          (socket: TLSSocket) => socket.destroy(),
        ]
      ) {
        const socket = await proxied.request(...headers);
        assert.equal(await proxied.subscribers(), 3);
        socket.resume();
        leave(socket);
        // Sooner than the next keep-alive, which the proxy would fail to write.
        await eventually("it is not counted", async () => await proxied.subscribers() === 2, {
          timeoutMs: 10_000,
        });
        socket.destroy();
      }
    }
  });
}
