/** Holds up the program with clients of one kind, next to well-behaved ones, and measures both. */

import { buildLoad, Load, type StepResult } from "../bench/load.ts";
import { withNoise } from "../bench/noise.ts";
import { Certificates } from "../kit/servers/certificates.ts";
import { eventually } from "../kit/eventually.ts";
import { Mosquitto } from "../kit/servers/mosquitto.ts";
import { SseClient } from "../kit/clients/sse_client.ts";

import { Telecast } from "../kit/servers/telecast.ts";
import { coresBetween, Gauge, type Sample } from "./gauge.ts";
import { buildHolders, type HolderResult, Holders } from "./holders.ts";

export interface HoldOptions {
  readonly kind: string;
  readonly clients: number;
  readonly seconds: number;
  /** Number of well-behaved clients; each asks for its own device. */
  readonly good: number;
  readonly perSecond: number;
  /** How long to warm up, and how long to measure before and after. */
  readonly warmUpSeconds?: number;
  /**
   * A first round of the same clients, before the baseline is measured: V8 and malloc keep pages that
   * were needed once, so only a second round shows what clients that have left still hold.
   */
  readonly rehearsalSeconds?: number;
  readonly beforeSeconds: number;
  readonly afterSeconds: number;
  /** How many devices have a last message. */
  readonly devices: number;
  /** Payload length; 300 by default. */
  readonly bytes?: number | undefined;
  readonly env?: Readonly<Record<string, string>>;
  /** Serves TLS, and therefore runs behind the guard. */
  readonly tls?: boolean;
  /** Starts a proxy that clients connect to, instead of the program itself. */
  readonly front?: (telecast: Telecast) => Promise<AsyncDisposable & { readonly port: number }>;
}

export interface HoldResult {
  readonly before: StepResult;
  readonly during: StepResult;
  readonly after: StepResult;
  readonly holders: HolderResult;
  /** Before the rehearsal. */
  readonly fresh: Held;
  /** After the rehearsal. */
  readonly heldBefore: Held;
  /** The peak while the clients were connected. */
  readonly bytesDuring: number;
  readonly heldAfter: Held;
  /** Fraction of one core that other processes used while the clients were connected. */
  readonly noise: number;
  readonly coresBefore: number;
  readonly coresDuring: number;
  /** Seconds until half of `heldAtMost` sockets were closed; undefined: never. */
  readonly halfGoneSeconds: number | undefined;
  readonly allGoneSeconds: number | undefined;
  /** The most sockets that the clients had open at once. */
  readonly heldAtMost: number;
  /** Seconds from their leaving until all their slots and sockets were free; undefined: never. */
  readonly freedSeconds: number | undefined;
  /** Streams still counted as open afterwards, besides the well-behaved ones. */
  readonly placesTaken: number;
  /** File descriptors that stay open afterwards, in addition to those before. */
  readonly descriptorsTaken: number;
}

const COLLECT = new URL("collect.ts", import.meta.url).pathname;
const NOBODY = 0.1;
const FREE_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 250;
/** Descriptors that the program itself opens now and then. */
const FEW_DESCRIPTORS = 8;
const DRAIN_SECONDS = 10;
const WARM_UP_SECONDS = 10;
const WARM_UP_RATE = 2_000;
const USUAL_BYTES = 300;

/** Builds the programs that {@linkcode hold} runs. */
export async function buildClients(): Promise<void> {
  await buildLoad();
  await buildHolders();
}

export async function hold(options: HoldOptions): Promise<HoldResult> {
  const { good, perSecond, tls = false, warmUpSeconds = WARM_UP_SECONDS } = options;
  await using certificates = tls ? await Certificates.create() : undefined;
  await using broker = await Mosquitto.start();
  await using telecast = await Telecast.start({
    env: { BROKER_HOST: broker.url, BROKER_TOPIC: "bench/#", ...options.env },
    ...(certificates && { tls: certificates }),
    flags: ["--v8-flags=--expose-gc", `--preload=${COLLECT}`],
  });
  await telecast.waitForSource();
  await using front = await options.front?.(telecast);
  const port = front?.port ?? telecast.port;
  const shared = {
    transport: "ws",
    port,
    broker,
    devices: good,
    each: 1,
    tls,
    qos: 1,
    bytes: options.bytes,
  } as const;
  if (options.devices > good) {
    await using all = await Load.open({ ...shared, clients: 0, devices: options.devices });
    await all.blast(options.devices);
    await eventually("all devices", async () => {
      return (await telecast.json("/api/v1/stats")).fanout.stored >= options.devices;
    });
  }
  const cursor = await cursorOf(telecast);
  await using load = await Load.open({ ...shared, clients: good });
  const step = (seconds: number) =>
    load.step({ rate: perSecond, seconds, drainSeconds: DRAIN_SECONDS });
  // Fast, so that the program's threads reach the memory that they would only reach after minutes.
  const rate = WARM_UP_RATE * USUAL_BYTES / (options.bytes ?? USUAL_BYTES);
  await load.step({ rate, seconds: warmUpSeconds, drainSeconds: DRAIN_SECONDS });
  await using gauge = new Gauge(telecast.process);
  const fresh = await bytesHeld(telecast);
  if (options.rehearsalSeconds) {
    const { descriptors } = await gauge.now();
    {
      await using clients = Holders.start({ ...options, devices: good, port, cursor });
      await clients.run(options.rehearsalSeconds);
    }
    await untilFree(telecast, good, gauge, descriptors + FEW_DESCRIPTORS);
  }
  const start = await gauge.now();
  const before = await step(options.beforeSeconds);
  const restBefore = await gauge.now();
  const heldBefore = await bytesHeld(telecast);
  const begin = await gauge.now();
  let holders: HolderResult;
  let during: StepResult;
  let end: Sample;
  let noise: number;
  {
    await using clients = Holders.start({ ...options, devices: good, port, cursor });
    const { result, noise: others } = await withNoise(
      [telecast.process.pid, broker.process.pid, load.pid, clients.pid],
      () => Promise.all([clients.run(options.seconds), step(options.seconds)]),
    );
    [holders, during] = result;
    noise = others;
    end = await gauge.now().catch(() => gauge.samples.at(-1)!);
  }
  if (!telecast.running) throw new Error(`The program ended${telecast.process.lastLines()}`);
  const held = gauge.since(begin.atMs).filter(({ atMs }) => atMs <= end.atMs);
  const [after, freedSeconds] = await Promise.all([
    step(options.afterSeconds),
    untilFree(telecast, good, gauge, begin.descriptors + FEW_DESCRIPTORS),
  ]);
  const heldAfter = await bytesHeld(telecast);
  const { descriptors } = await gauge.now();
  const { active_subscribers } = await telecast.json("/api/v1/stream/stats");
  return {
    ...{ before, during, after, holders, noise, freedSeconds },
    fresh,
    heldBefore,
    bytesDuring: Math.max(...held.map(({ residentBytes }) => residentBytes)),
    heldAfter,
    coresBefore: coresBetween(start, restBefore),
    coresDuring: coresBetween(begin, end),
    ...goneAfter(held, begin),
    placesTaken: active_subscribers - good,
    descriptorsTaken: descriptors - begin.descriptors,
  };
}

/** Seconds until only the well-behaved clients have a slot and a socket. */
async function untilFree(
  telecast: Telecast,
  good: number,
  gauge: Gauge,
  descriptorsAtMost: number,
): Promise<number | undefined> {
  const start = performance.now();
  while (performance.now() < start + FREE_WITHIN_MS) {
    const { active_subscribers } = await telecast.json("/api/v1/stream/stats");
    const { descriptors } = await gauge.now();
    if (active_subscribers <= good && descriptors <= descriptorsAtMost) {
      return (performance.now() - start) / 1000;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  return undefined;
}

/** Memory after garbage collection. */
export interface Held {
  /** Of the process: with what V8 and malloc keep for later. */
  readonly resident: number;
  /** What the main thread's objects and buffers use. */
  readonly used: number;
}

async function bytesHeld({ process }: Telecast): Promise<Held> {
  const from = process.output.length;
  process.kill("SIGUSR2");
  const [, used] = await process.waitForOutput(/collected (\d+)\n/, { from });
  return { resident: await process.residentBytes(), used: Number(used) };
}

/** When the clients' sockets were closed, judged by the server's descriptors. */
function goneAfter(held: readonly Sample[], begin: Sample) {
  const open = held.map(({ descriptors }) => descriptors - begin.descriptors);
  const heldAtMost = Math.max(0, ...open);
  const peak = open.indexOf(heldAtMost);
  const after = (share: number) => {
    const at = open.findIndex((count, i) => i > peak && count <= heldAtMost * share);
    return at < 0 ? undefined : (held[at]!.atMs - begin.atMs) / 1000;
  };
  return { heldAtMost, halfGoneSeconds: after(0.5), allGoneSeconds: after(NOBODY) };
}

async function cursorOf(telecast: Telecast): Promise<string> {
  const seen = Promise.withResolvers<string>();
  await using _client = await SseClient.open(telecast.sseUrl("device_ids=*"), {
    onEvent: () => {},
    onPosition: seen.resolve,
    client: telecast.client,
  });
  return await seen.promise;
}
