import assert from "node:assert/strict";
import { Simulation, type SimulationOptions } from "./simulation.ts";

/** How many schedules are tried; `SIM_SEED` names the first one. */
const SEEDS = Number(Deno.env.get("SIM_SEEDS") ?? 200);
const FIRST = Number(Deno.env.get("SIM_SEED") ?? 1);

async function check(seed: number, options: SimulationOptions = {}): Promise<void> {
  const { findings } = await new Simulation(seed, options).run();
  assert.deepEqual(findings, [], `SIM_SEED=${seed} SIM_SEEDS=1 shows it again`);
}

Deno.test("KvFanout keeps its laws whatever becomes of calls, instances and clocks", async () => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) await check(seed);
});

Deno.test("KvFanout begins a new epoch where its database is replaced", async () => {
  for (let seed = FIRST; seed < FIRST + SEEDS / 4; seed++) await check(seed, { replaced: true });
});

Deno.test("Simulation runs the same way for the same seed", async () => {
  const one = await new Simulation(FIRST).run();
  assert.deepEqual(await new Simulation(FIRST).run(), one);
});
