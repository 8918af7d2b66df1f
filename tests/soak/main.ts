/**
 * Runs a cluster under mixed load for a long time, with a fault every 20 seconds, and checks every
 * message.
 *
 *     deno task soak                        15 minutes
 *     deno task soak --minutes=240
 *     deno task soak --rate=500 --every=10 --seed=7
 *
 * Exits with 1 if a message is lost, repeated or out of order, if something grows, or if a
 * rejection is unhandled.
 */

import { Cluster } from "../kit/servers/cluster.ts";
import { eventually } from "../kit/eventually.ts";
import { Fleet, pause } from "../kit/fleet.ts";
import { TcpProxy } from "../kit/servers/tcp_proxy.ts";
import { Bystanders } from "./bystanders.ts";
import { FAULTS, randomFrom, type Scene } from "./faults.ts";
import { faultTable, figuresOf, figureTable, type Recoveries } from "./report.ts";
import { Watch } from "./watch.ts";

const PROBE = new URL("../kit/probe.ts", import.meta.url).pathname;
const FLEET = { clients: 40, devices: 60 };
/** Longer than the program may take to recover from any fault. */
const RECOVERY_MS = 90_000;
const IDLE_CPU = 0.2;
const BROKEN = /unhandled|uncaught|panicked|"level":"fatal"|\[FTL\]/i;

interface Options {
  minutes: number;
  rate: number;
  every: number;
  seed: number;
}

if (import.meta.main) {
  const options = optionsOf(Deno.args);
  Deno.exit(options ? await soak(options) : 2);
}

async function soak(options: Options): Promise<number> {
  const random = randomFrom(options.seed);
  print(`seed ${options.seed}, ${options.minutes} min, ${options.rate} msg/s`);
  await using cluster = await Cluster.start<TcpProxy>({
    kvProxy: (port) => TcpProxy.start(port),
    brokerProxy: true,
    // A killed broker comes back with its last saved state and sends that again: the state must be
    // younger than the messages that repeats are compared with.
    broker: { persistence: true, extra: "autosave_interval 30" },
    // Short, so that the messages kept in memory reach their full size before samples count.
    env: { RETENTION_SECONDS: "120" },
    flags: [`--preload=${PROBE}`],
  });
  await using fleet = await Fleet.start({
    ...FLEET,
    perSecond: options.rate,
    brokerUrl: cluster.broker.url,
    streamUrls: [cluster.streamUrl],
  });
  const spared = cluster.instances[0]!;
  await using watch = new Watch(spared);
  fleet.begin();
  const recoveries: Recoveries = new Map();
  const failures: string[] = [];
  {
    await using bystanders = new Bystanders(cluster, fleet, random);
    try {
      await harm({ cluster, fleet, spared, random }, options, { recoveries, failures });
    } catch (error) {
      failures.push(String(error));
    }
    print(`other clients: ${JSON.stringify(bystanders.counts)}`);
  }
  await fleet.halt();
  await fleet.assertFlawless({ timeoutMs: RECOVERY_MS }).catch((error) =>
    failures.push(`${error}`)
  );
  await Promise.all(fleet.clients.map((client) => client[Symbol.asyncDispose]()));
  const cpu = await watch.cpu(10_000);
  const figures = figuresOf(watch);
  print(`\n${faultTable(recoveries)}\n\n${figureTable(figures)}\n\n${fleet.summary()}`);
  print(`CPU when idle: ${(cpu * 100).toFixed(1)} % of a core`);
  for (const { name, grew } of figures) if (grew) failures.push(`${name} grows`);
  if (cpu > IDLE_CPU) failures.push("the CPU is not idle");
  for (const { output } of cluster.instances) {
    const line = output.split("\n").find((line) => BROKEN.test(line));
    if (line) failures.push(line.slice(0, 300));
  }
  for (const failure of failures) print(`FAILED: ${failure.slice(0, 6_000)}`);
  return failures.length === 0 ? 0 : 1;
}

/** Injects each kind of fault once per round, in random order; waits for recovery after each. */
async function harm(
  scene: Scene,
  options: Options,
  { recoveries, failures }: { recoveries: Recoveries; failures: string[] },
): Promise<void> {
  const start = performance.now();
  const end = start + options.minutes * 60_000;
  let turn: string[] = [];
  for (let n = 1; performance.now() < end; n++) {
    await pause(Math.max(0, start + n * options.every * 1000 - performance.now()));
    if (turn.length === 0) turn = Object.keys(FAULTS);
    const [name] = turn.splice(scene.random(turn.length), 1) as [string];
    const begun = performance.now();
    await FAULTS[name]!(scene);
    await scene.fleet.untilFlow(RECOVERY_MS);
    await eventually(`all messages after: ${name}`, () => scene.fleet.checker.complete(), {
      timeoutMs: RECOVERY_MS,
      intervalMs: 5,
    });
    for (const telecast of scene.cluster.instances) {
      if (telecast.running) continue;
      failures.push(`an instance ended by itself after: ${name}${telecast.process.lastLines()}`);
      await telecast.restart();
    }
    const seconds = (performance.now() - begun) / 1000;
    recoveries.set(name, [...recoveries.get(name) ?? [], seconds]);
    const { lost, repeated, reordered, published } = scene.fleet.checker.report();
    print(
      `${Math.round((performance.now() - start) / 1000)} s: ${name}: recovered after ` +
        `${seconds.toFixed(1)} s; ${published} published, lost ${lost}, repeated ${repeated}, ` +
        `reordered ${reordered}`,
    );
  }
}

function optionsOf(args: readonly string[]): Options | undefined {
  const options: Options = {
    minutes: 15,
    rate: 100,
    every: 20,
    seed: Math.floor(Math.random() * 1e9),
  };
  for (const arg of args) {
    const match = /^--(minutes|rate|every|seed)=(\d+(?:\.\d+)?)$/.exec(arg);
    if (!match) {
      print(`Unknown: ${arg}. Flags: --minutes=15 --rate=100 --every=20 --seed=1`);
      return undefined;
    }
    options[match[1] as keyof Options] = Number(match[2]);
  }
  return options;
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));
}
