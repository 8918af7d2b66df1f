/**
 * Prints how long the largest input of each kind blocks the serving thread: no other client is
 * served meanwhile.
 *
 *     deno run -A tests/soak/input_cost.ts           all cases
 *     deno run -A tests/soak/input_cost.ts query     cases whose name contains the text
 *
 * Exits with 1 if a case takes more than 2 ms.
 */

import { Rig } from "../routes/rig.ts";
import { SECRET } from "../routes/signed.ts";
import { measureHold } from "./hold.ts";
import {
  bodyCases,
  crowded,
  type InputCase,
  queryCases,
  stateCases,
  tokenCases,
} from "./input_cases.ts";

const MAX_MS = 2;

if (import.meta.main) {
  const wanted = Deno.args[0] ?? "";
  const env = { MAX_NEW_CONNECTIONS_PER_SECOND: "1000000", MAX_POSTS_PER_SECOND: "1000000" };
  await using rig = await Rig.start({ env, publish: () => Promise.resolve() });
  await using guarded = await Rig.start({ env: { ...env, AUTH_JWT_SECRET: SECRET } });
  await using full = await crowded();
  const cases: InputCase[] = [
    ...queryCases(rig, guarded),
    ...await tokenCases(guarded),
    ...bodyCases(rig),
    ...await stateCases(full),
  ];
  let slow = 0;
  print("      best   median  status, ms");
  for (const { name, work } of cases) {
    if (!name.includes(wanted)) continue;
    const status = await work();
    const { bestMs, medianMs } = await measureHold(work);
    const isSlow = bestMs > MAX_MS;
    if (isSlow) slow++;
    const figures = [bestMs, medianMs].map((ms) => ms.toFixed(2).padStart(8)).join(" ");
    print(`${isSlow ? "SLOW" : "    "} ${figures}  ${status}  ${name}`);
  }
  Deno.exitCode = slow > 0 ? 1 : 0;
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
