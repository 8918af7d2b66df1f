/** Several instances on one denokv, with a broker before and a balancer behind them. */

import { DenoKv } from "./denokv.ts";
import { eventually } from "./eventually.ts";
import { Haproxy } from "./haproxy.ts";
import { Mosquitto, type MosquittoOptions } from "./mosquitto.ts";
import { Telecast, type TelecastOptions } from "./telecast.ts";

export interface ClusterOptions {
  readonly instances?: number;
  readonly broker?: MosquittoOptions;
  readonly env?: Readonly<Record<string, string>>;
  /** What the instances reach denokv by, made of its port: a proxy's address, for instance. */
  readonly kvUrl?: (kvPort: number) => string | Promise<string>;
}

export class Cluster implements AsyncDisposable {
  private constructor(
    readonly kv: DenoKv,
    readonly broker: Mosquitto,
    readonly instances: readonly Telecast[],
    readonly balancer: Haproxy,
    private readonly stack: AsyncDisposableStack,
  ) {}

  /** Resolves when every instance serves and a source of one of them is connected. */
  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    await using stack = new AsyncDisposableStack();
    const kv = stack.use(await DenoKv.start());
    const broker = stack.use(await Mosquitto.start(options.broker));
    const url = await options.kvUrl?.(kv.port);
    const env = {
      BROKER_HOST: broker.url,
      ...kv.env,
      ...(url === undefined ? {} : { DENO_KV_URL: url }),
      DRAIN_SECONDS: "1",
      LOG_FORMAT: "text",
      ...options.env,
    };
    const instances = await startAll(options.instances ?? 3, { env }, stack);
    const balancer = stack.use(
      await Haproxy.start({ ports: instances.map(({ port }) => port), checkPath: "/readyz" }),
    );
    const cluster = new Cluster(kv, broker, instances, balancer, stack.move());
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

  /** The instance that consumes the broker, once there is one; none but those that run. */
  owner(
    { among = this.instances, timeoutMs = 20_000 }: {
      among?: readonly Telecast[];
      timeoutMs?: number;
    } = {},
  ): Promise<Telecast> {
    return eventually("an instance consumes the broker", async () => {
      const owners = await Promise.all(
        among.map(async (telecast) => await isOwner(telecast) ? telecast : undefined),
      );
      return owners.find((telecast) => telecast !== undefined);
    }, { timeoutMs });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack[Symbol.asyncDispose]();
  }
}

/** Starts instances side by side; where one fails, none is left running. */
export async function startAll(
  count: number,
  options: TelecastOptions,
  stack: AsyncDisposableStack,
): Promise<Telecast[]> {
  const starting = Array.from({ length: count }, () => Telecast.start(options));
  const results = await Promise.allSettled(starting);
  const instances: Telecast[] = [];
  for (const result of results) {
    if (result.status === "fulfilled") instances.push(stack.use(result.value));
  }
  const failed = results.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
  return instances;
}

export async function isOwner(telecast: Telecast): Promise<boolean> {
  if (!telecast.running) return false;
  const { instance, ingest_lease, sources } = await telecast.json("/api/v1/stats", {
    signal: AbortSignal.timeout(1_000),
  });
  return instance === ingest_lease &&
    sources.some(({ state }: { state: string }) => state === "connected");
}
