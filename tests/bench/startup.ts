/** Measures the time from the start of the process until it answers, with an empty store. */

import type { Mosquitto } from "../kit/servers/mosquitto.ts";
import { Telecast } from "../kit/servers/telecast.ts";
import type { Results } from "./results.ts";
import { startTarget, type TargetName, telecastEnv } from "./target.ts";

export async function measureStart(
  results: Results,
  broker: Mosquitto,
  target: TargetName,
): Promise<void> {
  const since = performance.now();
  await using _started = target === "telecast"
    ? await Telecast.start({ env: telecastEnv(broker) })
    : await startTarget(target, broker);
  results.add({
    target,
    what: "start to ready",
    unit: "ms",
    value: Math.round(performance.now() - since),
    lessIsBetter: true,
  });
}
