/** Faults that a soak injects, one after another, at random. */

import type { Cluster } from "../kit/servers/cluster.ts";
import { type Fleet, pause } from "../kit/fleet.ts";
import type { TcpProxy } from "../kit/servers/tcp_proxy.ts";
import type { Telecast } from "../kit/servers/telecast.ts";

export interface Scene {
  readonly cluster: Cluster<TcpProxy>;
  readonly fleet: Fleet;
  /** Survives the whole soak, so its memory can be judged: paused and cut off, but never ended. */
  readonly spared: Telecast;
  /** A random integer from 0 to below `limit`. */
  readonly random: (limit: number) => number;
}

/** Injects a fault and ends it; resolves when it is over, not when the program has recovered. */
export type Fault = (scene: Scene) => Promise<void>;

/** One of the instances that may be ended. */
function mortal({ cluster, spared, random }: Scene): Telecast {
  const others = cluster.instances.filter((one) => one !== spared);
  return others[random(others.length)]!;
}

function anyOf<T>(list: readonly T[], { random }: Scene): T {
  return list[random(list.length)]!;
}

export const FAULTS: Readonly<Record<string, Fault>> = {
  "an instance is killed, and is down for a while": async (scene) => {
    const telecast = mortal(scene);
    await telecast.kill("SIGKILL");
    await pause(scene.random(2_000));
    await telecast.start();
  },
  "an instance is restarted": async (scene) => {
    await mortal(scene).restart();
  },
  "an instance is paused": async (scene) => {
    const telecast = anyOf(scene.cluster.instances, scene);
    await telecast.kill("SIGSTOP");
    await pause(1_000 + scene.random(5_000));
    await telecast.kill("SIGCONT");
  },
  "a source's worker is killed": async (scene) => {
    const owner = await scene.cluster.owner({ timeoutMs: 60_000 });
    owner.process.kill("SIGUSR2");
  },
  "denokv is killed, and is down for a while": async (scene) => {
    const { kv } = scene.cluster;
    await kv.stop("SIGKILL");
    await pause(scene.random(4_000));
    await kv.start();
  },
  "denokv is paused": async (scene) => {
    const { kv } = scene.cluster;
    kv.process.kill("SIGSTOP");
    await pause(1_000 + scene.random(4_000));
    kv.process.kill("SIGCONT");
  },
  "the broker is restarted": async ({ cluster: { broker }, random }) => {
    await broker.stop("SIGTERM");
    await pause(random(2_000));
    await broker.start();
  },
  // Messages that it acknowledged but did not forward are lost, so devices resend them.
  "the broker is killed and loses its state": async ({ cluster: { broker }, fleet, random }) => {
    await broker.stop("SIGKILL");
    await fleet.forgetBroker();
    await pause(random(2_000));
    await broker.start();
    await fleet.publishAgain();
    fleet.begin();
  },
  "the link to denokv is cut": async (scene) => {
    const link = anyOf(scene.cluster.proxies, scene);
    await link.refuse();
    await pause(500 + scene.random(4_000));
    await link.accept();
  },
  "the link to denokv carries nothing": async (scene) => {
    const link = anyOf(scene.cluster.proxies, scene);
    link.stall();
    await pause(500 + scene.random(5_000));
    link.pass();
  },
  "the link to denokv is slow": async (scene) => {
    const link = anyOf(scene.cluster.proxies, scene);
    link.delay(50 + scene.random(150));
    await pause(5_000);
    link.delay(0);
  },
  "the link to the broker is cut": async ({ cluster: { brokerLink }, random }) => {
    await brokerLink!.refuse();
    await pause(500 + random(4_000));
    await brokerLink!.accept();
  },
  "the link to the broker carries nothing": async ({ cluster: { brokerLink }, random }) => {
    brokerLink!.stall();
    await pause(500 + random(5_000));
    brokerLink!.pass();
  },
};

/** Pseudorandom integers, repeatable by seed. */
export function randomFrom(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor(state / 2 ** 32 * limit);
  };
}
