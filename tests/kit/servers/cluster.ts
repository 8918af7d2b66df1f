/** Several instances on one denokv, with a broker upstream and a load balancer for clients. */

import { DenoKv } from "./denokv.ts";
import { eventually } from "../eventually.ts";
import { Haproxy } from "./haproxy.ts";
import { Mosquitto, type MosquittoOptions } from "./mosquitto.ts";
import { PATIENCE_MS } from "../patience.ts";
import { TcpProxy } from "./tcp_proxy.ts";
import { Telecast, type TelecastOptions } from "./telecast.ts";

/** A proxy between an instance and the store. */
export interface KvProxy extends AsyncDisposable {
  readonly port: number;
}

export interface ClusterOptions<P extends KvProxy> {
  readonly instances?: number;
  readonly broker?: MosquittoOptions;
  readonly env?: Readonly<Record<string, string>>;
  /** Gives each instance its own proxy to denokv. */
  readonly kvProxy?: (kvPort: number) => Promise<P>;
  /** Puts a proxy between all instances and the broker. */
  readonly brokerProxy?: boolean;
  /** Flags of `deno run`, in addition to those of `deno task start`. */
  readonly flags?: readonly string[];
}

export class Cluster<P extends KvProxy = KvProxy> implements AsyncDisposable {
  private constructor(
    readonly kv: DenoKv,
    readonly broker: Mosquitto,
    readonly instances: readonly Telecast[],
    /** One for each instance, in the same order; empty unless `kvProxy` is given. */
    readonly proxies: readonly P[],
    readonly balancer: Haproxy,
    /** Undefined unless `brokerProxy` is set. */
    readonly brokerLink: TcpProxy | undefined,
    private readonly stack: AsyncDisposableStack,
  ) {}

  /** Resolves when every instance is ready and one of them consumes the broker. */
  static async start<P extends KvProxy = KvProxy>(
    options: ClusterOptions<P> = {},
  ): Promise<Cluster<P>> {
    await using stack = new AsyncDisposableStack();
    const kv = stack.use(await DenoKv.start());
    const broker = stack.use(await Mosquitto.start(options.broker));
    const link = options.brokerProxy ? stack.use(await TcpProxy.start(broker.port)) : undefined;
    const proxies: P[] = [];
    const starting: TelecastOptions[] = [];
    for (let i = 0; i < (options.instances ?? 3); i++) {
      const proxy = await options.kvProxy?.(kv.port);
      if (proxy) proxies.push(stack.use(proxy));
      const env = {
        BROKER_HOST: link ? `mqtt://127.0.0.1:${link.port}` : broker.url,
        ...kv.env,
        ...(proxy ? { DENO_KV_URL: `http://127.0.0.1:${proxy.port}` } : {}),
        DRAIN_SECONDS: "1",
        LOG_FORMAT: "text",
        ...options.env,
      };
      starting.push({ env, ...(options.flags && { flags: options.flags }) });
    }
    const instances = await startAll(starting, stack);
    const balancer = stack.use(
      await Haproxy.start({ ports: instances.map(({ port }) => port), checkPath: "/readyz" }),
    );
    const cluster = new Cluster(kv, broker, instances, proxies, balancer, link, stack.move());
    try {
      await cluster.owner();
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  get streamUrl(): string {
    return `${this.balancer.url}/api/v1/stream`;
  }

  /** Waits for an instance that consumes the broker, and returns it. */
  owner(
    { among = this.instances, timeoutMs = PATIENCE_MS }: {
      among?: readonly Telecast[];
      timeoutMs?: number;
    } = {},
  ): Promise<Telecast> {
    return eventually("an instance consumes the broker", async () => {
      const owners = await Promise.all(among.map(isOwner));
      return among.find((_, i) => owners[i]);
    }, { timeoutMs });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack[Symbol.asyncDispose]();
  }
}

/** Starts instances in parallel; if one fails, disposing of `stack` ends the others. */
export async function startAll(
  options: readonly TelecastOptions[],
  stack: AsyncDisposableStack,
): Promise<Telecast[]> {
  const results = await Promise.allSettled(options.map((one) => Telecast.start(one)));
  const instances: Telecast[] = [];
  for (const result of results) {
    if (result.status === "fulfilled") instances.push(stack.use(result.value));
  }
  const failed = results.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
  return instances;
}

/** Whether an instance may consume its broker and is connected to it; false without an answer. */
export async function isOwner(telecast: Telecast): Promise<boolean> {
  if (!telecast.running) return false;
  try {
    const { instance, ingest_lease, sources } = await telecast.json("/api/v1/stats", {
      signal: AbortSignal.timeout(10_000),
    });
    return [instance, null].includes(ingest_lease) &&
      sources.some(({ state }: { state: string }) => state === "connected");
  } catch {
    return false;
  }
}
