/** The routes on a Telecast server, over a fanout in memory: everything except the sources. */

import { Companies } from "../../broker/cluster/companies.ts";
import { Revocations } from "../../broker/cluster/revocations.ts";
import { InboundServer } from "../../broker/deliveries/inbound_server.ts";
import { Inbox } from "../../broker/deliveries/inbox.ts";
import type { DeliveryQueue } from "../../broker/deliveries/queue.ts";
import type { KvClient } from "../../broker/store/kv_client.ts";
import { MemoryKv } from "../../broker/store/memory_kv.ts";
import { Hub } from "../../broker/streams/hub.ts";
import { hubSettings } from "../../broker/streams/hub_settings.ts";
import { Instances } from "../../broker/cluster/instances.ts";
import { MemoryFanout } from "../../broker/log/memory_fanout.ts";
import type { Config } from "../../config/config.ts";
import { Health } from "../../telemetry/health.ts";
import { createApp, handlerOf } from "../../routes/app.ts";
import { ConnectionCount } from "../../routes/http/connection_count.ts";
import type { AppDeps } from "../../routes/http/deps.ts";
import { eventually } from "../kit/eventually.ts";
import { SlowClient } from "../kit/clients/slow_client.ts";
import { SseClient, type SseClientOptions } from "../kit/clients/sse_client.ts";
import { WsClient, type WsClientOptions } from "../kit/clients/ws_client.ts";
import type { Address } from "../kit/clients/connect.ts";
import { RawConnection } from "./raw.ts";
import { type RunningServer, SERVER_KINDS, ServerConfig, type ServerKind } from "./servers.ts";

export interface RigOptions {
  /** `server` unless given. */
  readonly server?: ServerKind;
  /** Variables of the configuration. */
  readonly env?: Readonly<Record<string, string>>;
  readonly publish?: AppDeps["publish"];
  readonly sources?: AppDeps["sources"];
  readonly instances?: Instances;
  readonly revocations?: Revocations;
  readonly deliveries?: DeliveryQueue;
  readonly leaseOwner?: AppDeps["leaseOwner"];
  readonly recentMaxBytes?: number;
  readonly work?: KvClient;
}

export class Rig implements AsyncDisposable {
  readonly config: Config;
  readonly fanout: MemoryFanout;
  readonly hub: Hub;
  readonly app: ReturnType<typeof createApp>;
  readonly health = new Health();
  readonly revocations: Revocations;
  /** The queue of inbound messages; nothing processes it. */
  readonly work: KvClient;
  readonly inbound: InboundServer;
  /** Whether there is room for more work. */
  admits = true;
  /** Devices of the messages that were dropped, one entry for each message. */
  readonly drops: string[] = [];
  /** Every route. */
  readonly routes: readonly { readonly method: string; readonly path: string }[];
  /** For fetch(): it trusts the server's certificate. Undefined if there is none. */
  readonly client: Deno.HttpClient | undefined;
  #server: RunningServer | undefined;

  private constructor(private readonly served: ServerConfig, options: RigOptions) {
    const config = this.config = served.config;
    this.client = served.ca === undefined
      ? undefined
      : Deno.createHttpClient({ caCerts: [served.ca] });
    this.work = options.work ?? new MemoryKv();
    this.fanout = new MemoryFanout({
      retentionMs: config.retentionSeconds * 1000,
      recentMaxBytes: options.recentMaxBytes ?? 64_000_000,
    });
    const hub = this.hub = new Hub(this.fanout, {
      ...hubSettings(config),
      onDrop: (deviceId) => this.drops.push(deviceId),
    });
    this.revocations = options.revocations ?? new Revocations(new MemoryKv());
    const figures = () => ({
      messages: this.fanout.stored,
      subscribers: hub.sessions.size,
      devices: hub.devicesMonitored,
    });
    const app = this.app = createApp({
      config,
      hub,
      fanout: this.fanout,
      health: this.health,
      instance: "this-one",
      instances: options.instances ?? new Instances(undefined, { id: "this-one", figures }),
      companies: new Companies(new MemoryKv()),
      revocations: this.revocations,
      connections: new ConnectionCount(),
      deliveries: options.deliveries,
      inbound: this.inbound = new InboundServer({
        inbox: new Inbox(this.work),
        maxMessageBytes: config.maxMessageBytes,
        admit: () => this.admits,
      }),
      leaseOwner: options.leaseOwner ?? (() => undefined),
      sources: options.sources ?? (() => []),
      publish: options.publish,
    });
    this.routes = app.routes;
  }

  static async start(options: RigOptions = {}): Promise<Rig> {
    const served = await ServerConfig.create(options.server ?? "server", options.env ?? {});
    const rig = new Rig(served, options);
    rig.#server = await served.listen(handlerOf(rig.app));
    await rig.fanout.start(rig.hub);
    rig.health.phase = "serving";
    return rig;
  }

  get port(): number {
    return this.#server!.port;
  }

  get url(): string {
    return `${this.client ? "https" : "http"}://127.0.0.1:${this.port}`;
  }

  get server(): ServerKind {
    return this.served.kind;
  }

  /** For raw sockets. */
  get address(): Address {
    return { port: this.port, ca: this.served.ca };
  }

  /** The stream's address; `query` without its question mark. */
  streamUrl(query = ""): string {
    return `${this.url}/api/v1/stream${query && `?${query}`}`;
  }

  fetch(path: string, init?: RequestInit): Promise<Response> {
    return fetch(this.url + path, { ...init, ...(this.client && { client: this.client }) });
  }

  // deno-lint-ignore no-explicit-any -- bodies of many shapes
  async json(path: string, init?: RequestInit): Promise<any> {
    return await (await this.fetch(path, init)).json();
  }

  /** Opens an SSE stream; messages from now on reach it. */
  async sse(query = "", options: SseClientOptions = {}): Promise<SseClient> {
    const before = this.hub.totals.sse.connections;
    const client = await SseClient.open(this.streamUrl(query), { ...options, client: this.client });
    await eventually("the session", () => this.hub.totals.sse.connections > before);
    return client;
  }

  /** Opens a WebSocket; messages from now on reach it, unless its query is refused. */
  async ws(query = "", options: WsClientOptions = {}): Promise<WsClient> {
    const before = this.hub.totals.ws.connections;
    const client = await this.socket(`/api/v1/stream${query && `?${query}`}`, options);
    await eventually(
      "the session",
      () => this.hub.totals.ws.connections > before || client.frames.items.length > 0,
    );
    return client;
  }

  /** Opens a WebSocket at any path. */
  socket(path: string, options: WsClientOptions = {}): Promise<WsClient> {
    const url = this.url.replace(/^http/, "ws") + path;
    return WsClient.open(url, { ...options, client: this.client });
  }

  /** A connection on which the test writes every byte. */
  raw(): Promise<RawConnection> {
    return RawConnection.open(this.address);
  }

  /** Opens a stream on either transport. */
  open(transport: "ws" | "sse", query = ""): Promise<SseClient | WsClient> {
    return transport === "ws" ? this.ws(query) : this.sse(query);
  }

  /** Opens a stream whose client reads only when told to. */
  async slow(transport: "ws" | "sse", query: string): Promise<SlowClient> {
    const before = this.hub.totals[transport].connections;
    const client = await SlowClient.open({ ...this.address, transport, query });
    await eventually("the session", () => this.hub.totals[transport].connections > before);
    return client;
  }

  /** Publishes payloads of one device in one turn; returns the cursor after them. */
  publish(deviceId: string, ...payloads: readonly (string | number)[]): string {
    this.fanout.publish(payloads.map((payload) => ({
      deviceId,
      payload: typeof payload === "string" ? payload : numbered(deviceId, payload),
    })));
    return this.cursor;
  }

  /** The newest position. */
  get cursor(): string {
    return this.hub.cursor();
  }

  /** Cursor of any position of this log. */
  cursorAt(offset: number): string {
    return this.fanout.epoch.cursor(offset);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.hub[Symbol.dispose]();
    await this.fanout[Symbol.asyncDispose]();
    await this.#server?.shutdown();
    this.client?.close();
    await this.served[Symbol.asyncDispose]();
  }

  /** Resolves once bytes wait for a client that has not read any for a while. */
  async untilStuck(): Promise<void> {
    const LOOKS = 5;
    let taken = -1;
    let looks = 0;
    await eventually("a client is stuck", () => {
      const stuck = [...this.hub.sessions].find(({ sink }) => sink.buffered > 0);
      looks = stuck && stuck.sink.taken === taken ? looks + 1 : 0;
      taken = stuck?.sink.taken ?? -1;
      return looks >= LOOKS;
    });
  }
}

export type StartRig = (options?: Omit<RigOptions, "server">) => Promise<Rig>;

export interface OnServer {
  readonly start: StartRig;
  readonly t: Deno.TestContext;
}

/**
 * Tests that run on each server: for what depends on I/O, on limits, and on access control.
 * CONTRIBUTING.md says when to use it.
 */
export const everyServer = {
  test(title: string, run: (on: OnServer) => Promise<void>): void {
    for (const server of SERVER_KINDS) {
      Deno.test(
        `${server}: ${title}`,
        (t) => run({ start: (options) => Rig.start({ ...options, server }), t }),
      );
    }
  },
};

/** Messages that flow while a test examines something else; ends when it is disposed of. */
export class Flow implements AsyncDisposable {
  /** Number of rounds published; each is a message of every device, with that number. */
  rounds = 0;
  #stopped = false;
  readonly #running: Promise<void>;

  constructor(private readonly rig: Rig, private readonly devices: readonly string[]) {
    this.#running = this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      this.rounds++;
      for (const id of this.devices) this.rig.publish(id, this.rounds);
      // From a timer and from a promise: both ways in which messages arrive between two steps.
      await (this.rounds % 4 === 0 ? new Promise((resolve) => setTimeout(resolve)) : undefined);
    }
  }
}

/** A test that waits for time to pass: it runs on both transports of every server at once. */
export function onBoth(
  title: string,
  run: (transport: "ws" | "sse", start: StartRig) => Promise<void>,
): void {
  Deno.test(`every server, ws and sse: ${title}`, async () => {
    const runs = SERVER_KINDS.flatMap((server) =>
      (["ws", "sse"] as const).map((transport) =>
        run(transport, (options) => Rig.start({ ...options, server })).catch((error) => {
          throw new Error(`${server}, ${transport}: ${(error as Error).message}`, { cause: error });
        })
      )
    );
    // Each ends before the test does, even if another has failed.
    const failed = (await Promise.allSettled(runs)).find(({ status }) => status === "rejected");
    if (failed) throw (failed as PromiseRejectedResult).reason;
  });
}

/** Runs with random numbers from a seed, which a failure names. */
export async function seeded(
  run: (below: (limit: number) => number) => Promise<void>,
  seed: number = 1 + Date.now() % 1_000_000_000,
): Promise<void> {
  let state = seed;
  try {
    await run((limit) => (state = (state * 48_271) % 2_147_483_647) % limit);
  } catch (error) {
    throw new Error(`with seed ${seed}: ${(error as Error).message}`, { cause: error });
  }
}

/** A payload with its device and number. */
export function numbered(deviceId: string, n: number): string {
  return JSON.stringify({ device_id: deviceId, n });
}

/** The numbers of payloads that {@linkcode numbered} made. */
export function numbersOf(payloads: readonly string[]): number[] {
  return payloads.map((payload) => JSON.parse(payload).n);
}

/** Whole numbers from `from` to `to`. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}
