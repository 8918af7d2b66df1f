/**
 * Measures Telecast next to a Python service, raw Deno and bare clients in one run. Results are
 * medians of three alternating rounds: on a shared machine rates vary, but ratios hold.
 *
 *     deno task bench                   all cases, about 25 minutes
 *     deno task bench --only <name>     one case, or several joined by commas; see CASES
 *     deno task bench --compare <file>  changes since an earlier run, beyond the noise
 *     deno task bench --rounds <n>
 *     deno task bench --short           takes a minute; fails on lost messages, never on timing
 */

import { parseArgs } from "node:util";
import { Mosquitto } from "../kit/servers/mosquitto.ts";
import { CASES } from "./cases.ts";
import { buildLoad } from "./load.ts";
import { comparison, figureTable, goalTable, save } from "./report.ts";
import { Results, type Sample } from "./results.ts";
import { runShort } from "./short.ts";
import { Throughput } from "./throughput.ts";

if (import.meta.main) Deno.exit(await main(Deno.args));

async function main(args: string[]): Promise<number> {
  let flags;
  try {
    flags = parseArgs({
      args,
      options: {
        short: { type: "boolean", default: false },
        only: { type: "string" },
        compare: { type: "string" },
        rounds: { type: "string", default: "3" },
      },
    }).values;
  } catch (error) {
    return refuse((error as Error).message);
  }
  const { short, only, compare } = flags;
  const rounds = Number(flags.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) return refuse("--rounds takes a whole number");
  const wanted = only?.split(",") ?? CASES.map(({ name }) => name);
  const unknown = wanted.filter((name) => !CASES.some((known) => known.name === name));
  if (unknown.length > 0) {
    return refuse(`--only ${unknown}: known are ${CASES.map(({ name }) => name).join(", ")}`);
  }
  if (compare) await Deno.stat(compare);

  await buildLoad();
  await using broker = await Mosquitto.start();
  const results = new Results(progress);
  if (short) await runShort(broker, results);
  else {
    const throughput = new Throughput(broker, results);
    for (const { name, run } of CASES) {
      if (!wanted.includes(name)) continue;
      const since = performance.now();
      try {
        await run({ broker, results, throughput, rounds, print });
      } catch (error) {
        // A case that fails must not stop the others.
        results.faults.push(`${name}: ${error instanceof Error ? error.message : error}`);
      }
      print(`-- ${name}: ${Math.round((performance.now() - since) / 1000)} s`);
    }
  }
  print(`\n${figureTable(results)}`);
  if (!short) {
    print(`\n${goalTable(results)}`);
    if (compare) print(`\nSince ${compare}:\n${await comparison(results, compare)}`);
    print(`\nAll samples: ${await save(results)}`);
  }
  for (const fault of results.faults) print(`FAILED: ${fault}`);
  return results.faults.length === 0 ? 0 : 1;
}

function refuse(reason: string): number {
  print(`${reason}\nSee the top of tests/bench/main.ts for the flags.`);
  return 2;
}

function progress({ target, what, value, unit }: Sample): void {
  const shown = value.toLocaleString("en", { maximumFractionDigits: 2 });
  print(`${target.padEnd(11)} ${what}: ${shown} ${unit}`);
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
