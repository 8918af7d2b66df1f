import assert from "node:assert/strict";
import { Simulation, type SimulationOptions } from "./simulation.ts";

/** How many seeds are tried; `SIM_SEED` is the first one. */
const SEEDS = Number(Deno.env.get("SIM_SEEDS") ?? 160);
const FIRST = Number(Deno.env.get("SIM_SEED") ?? 1);

async function check(seed: number, options: SimulationOptions = {}): Promise<void> {
  const { findings } = await new Simulation(seed, options).run();
  assert.deepEqual(findings, [], `SIM_SEED=${seed} SIM_SEEDS=1 reproduces it`);
}

async function checkMany(count: number, options: SimulationOptions = {}): Promise<void> {
  for (let seed = FIRST; seed < FIRST + count; seed++) await check(seed, options);
}

Deno.test("KvFanout keeps its guarantees whatever happens to calls, instances and clocks", () =>
  checkMany(SEEDS));

Deno.test("KvFanout begins a new epoch if its database is replaced", () =>
  checkMany(SEEDS / 4, { replaced: true }));

Deno.test("KvFanout stores messages of leased sources only for the lease's owner", () =>
  checkMany(SEEDS / 4, { leased: true }));

Deno.test("KvFanout stores each record of an upstream log once, in order, whichever instance consumes it", () =>
  checkMany(SEEDS / 4, { withOffsets: true }));

Deno.test("Simulation is deterministic for a seed", async () => {
  for (const options of [{}, { replaced: true }, { leased: true }, { withOffsets: true }]) {
    const one = await new Simulation(FIRST + 6, options).run();
    assert.deepEqual(await new Simulation(FIRST + 6, options).run(), one);
  }
});
