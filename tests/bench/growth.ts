/** CPU time per message as the numbers of devices, clients and requested ids grow. */

import type { Mosquitto } from "../kit/servers/mosquitto.ts";
import { Load } from "./load.ts";
import { cpuMicros } from "./noise.ts";
import type { Results } from "./results.ts";
import { startTelecast } from "./target.ts";

const RATE = 10_000;
const SECONDS = 6;

interface Size {
  readonly what: string;
  readonly devices: number;
  readonly clients: number;
  readonly each: number;
  /** Which ids clients ask for: those of sending devices, or others. */
  readonly watch: "bench" | "other";
  readonly rate?: number;
}

export const DEVICES: readonly Size[] = [10, 100, 1_000, 10_000, 100_000].map((devices) => ({
  what: `a message, ${devices} devices`,
  devices,
  clients: 0,
  each: 1,
  watch: "bench",
}));

export const OTHER_IDS: readonly Size[] = [[1, 100], [10, 100], [20, 500], [200, 500]].map((
  [clients, each],
) => ({
  what: `a message, ${clients! * each!} other ids asked for`,
  devices: 100,
  clients: clients!,
  each: each!,
  watch: "other",
}));

export const CLIENTS: readonly Size[] = [10, 100, 1_000, 10_000].map((clients) => ({
  what: `a delivery, ${clients} clients of a device each`,
  devices: clients,
  clients,
  each: 1,
  watch: "bench",
  rate: 5_000,
}));

/** Measures CPU microseconds of all threads per message, minus the program's idle load. */
export async function measureGrowth(
  results: Results,
  broker: Mosquitto,
  { what, devices, clients, each, watch, rate = RATE }: Size,
): Promise<void> {
  await using telecast = await startTelecast(broker);
  const { pid } = telecast.process;
  const names = Math.max(devices, clients * each);
  await using load = await Load.open({
    transport: "ws",
    port: telecast.port,
    broker,
    clients,
    devices: watch === "bench" ? devices : names,
    each,
    watch,
  });
  const [idle, since] = [await cpuMicros(pid), performance.now()];
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const idleMicros = (await cpuMicros(pid) - idle) / (performance.now() - since);
  await using publisher = watch === "bench" ? undefined : await Load.open({
    transport: "ws",
    port: 1,
    broker,
    clients: 0,
    devices,
    each: 1,
  });
  const step = { rate, drainSeconds: 3 };
  await (publisher ?? load).step({ ...step, seconds: 2 });
  const [before, start] = [await cpuMicros(pid), performance.now()];
  const { sent, lost } = await (publisher ?? load).step({ ...step, seconds: SECONDS });
  const used = await cpuMicros(pid) - before - idleMicros * (performance.now() - start);
  if (lost > 0) results.faults.push(`${what}: lost ${lost}`);
  results.add({
    target: "telecast",
    what,
    unit: "µs",
    value: used / sent,
    lessIsBetter: true,
  });
}
