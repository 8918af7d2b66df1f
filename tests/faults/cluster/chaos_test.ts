/** Random faults: the instance or server, the kind of fault, and its duration are random. */

import { Cluster } from "../../kit/servers/cluster.ts";
import { Fleet, pause } from "../../kit/fleet.ts";
import { KvHttpProxy } from "../../kit/servers/kv_proxy.ts";
import { say } from "../../kit/say.ts";

/** CHAOS_SEED repeats the choice of faults; the timing of real processes still varies. */
const SEED = Number(Deno.env.get("CHAOS_SEED") ?? Math.floor(Math.random() * 1e9));
const SECONDS = Number(Deno.env.get("CHAOS_SECONDS") ?? 25);
const FLEET = { clients: 90, devices: 60, perSecond: 500 };
const MAX_CALM_MS = 2_000;

type Fault = (cluster: Cluster<KvHttpProxy>, random: (below: number) => number) => Promise<void>;

const FAULTS: Readonly<Record<string, Fault>> = {
  "an instance is killed": async ({ instances }, random) => {
    const telecast = instances[random(instances.length)]!;
    await telecast.kill("SIGKILL");
    await telecast.start();
  },
  "the owner is killed, and is down for a while": async (cluster, random) => {
    const owner = await cluster.owner();
    await owner.kill("SIGKILL");
    await pause(random(2_000));
    await owner.start();
  },
  "an instance is restarted": ({ instances }, random) =>
    instances[random(instances.length)]!.restart(),
  "an instance is paused": async ({ instances }, random) => {
    const telecast = instances[random(instances.length)]!;
    await telecast.kill("SIGSTOP");
    await pause(500 + random(5_500));
    await telecast.kill("SIGCONT");
  },
  "the store is killed, and is down for a while": async ({ kv }, random) => {
    await kv.stop("SIGKILL");
    await pause(random(4_000));
    await kv.start();
  },
  "the broker is restarted": async ({ broker }, random) => {
    await broker.stop("SIGTERM");
    await pause(random(2_000));
    await broker.start();
  },
  "answers to commits are lost": async ({ proxies }, random) => {
    const proxy = proxies[random(proxies.length)]!;
    proxy.spoil({ commits502: 0.4 });
    await pause(3_000);
    proxy.pass();
  },
  "answers are cut in half": async ({ proxies }, random) => {
    const proxy = proxies[random(proxies.length)]!;
    proxy.spoil({ halves: 0.2 });
    await pause(3_000);
    proxy.pass();
  },
  "an instance's answers are held back": async ({ proxies }, random) => {
    const proxy = proxies[random(proxies.length)]!;
    proxy.stall();
    await pause(1_000 + random(6_000));
    proxy.pass();
  },
};

Deno.test(`random faults for ${SECONDS} s: each client gets its messages once, in order`, async () => {
  await using cluster = await Cluster.start({
    kvProxy: (port) => KvHttpProxy.start(port),
    broker: { persistence: true },
  });
  await using fleet = await Fleet.start({
    ...FLEET,
    brokerUrl: cluster.broker.url,
    streamUrls: [cluster.streamUrl],
  });
  const random = randomFrom(SEED);
  const names = Object.keys(FAULTS);
  const done: string[] = [];
  fleet.begin();
  try {
    const end = performance.now() + SECONDS * 1000;
    while (performance.now() < end) {
      const name = names[random(names.length)]!;
      done.push(name);
      await FAULTS[name]!(cluster, random);
      await pause(random(MAX_CALM_MS));
      await fleet.untilFlow();
    }
    await fleet.halt();
    await fleet.assertFlawless({ timeoutMs: 180_000 });
  } finally {
    say(`CHAOS_SEED=${SEED}: ${done.join("; ")}`);
  }
  say(fleet.summary());
});

/** Pseudorandom integers from 0 to below a limit, repeatable by seed. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
}
