/** The program for `deno serve` and Deno Deploy, which listen by themselves. */

import { onStopSignal } from "./server/stop_signal.ts";
import { onDenoDeploy, readConfig } from "./config/read.ts";
import type { Config } from "./config/config.ts";
import { SOURCES } from "./ingest/sources.ts";
import { configureLog, getLogger, reasonOf } from "./telemetry/log.ts";
import { startProgram } from "./program.ts";

const env = (name: string) => Deno.env.get(name);
const result = readConfig(env, { sources: SOURCES });
if (!result.ok) {
  const lines = result.problems.map(({ name, message }) => `telecast: ${name} ${message}\n`);
  Deno.stderr.writeSync(new TextEncoder().encode(lines.join("")));
  Deno.exit(2);
}
await configureLog(result.config.log);
const onDeploy = onDenoDeploy(env);
const config = onDeploy ? endingInTime(result.config) : result.config;
const program = await startProgram(config, { platformStore: onDeploy });

let stopping = false;
// An open watch of the store keeps `deno serve` from ending on the first signal.
onStopSignal(() => {
  stopping = true;
  program.stop();
});
program.ready.catch((error) => {
  if (stopping) return;
  getLogger("main").fatal("{reason}", { reason: reasonOf(error) });
  Deno.exit(1);
});

export default {
  fetch: (request: Request, info: Deno.ServeHandlerInfo) => program.fetch(request, info),
} satisfies Deno.ServeDefaultExport;

/** Deploy kills a program 5 s after its SIGINT: all goodbyes must be sent by then. */
function endingInTime(config: Config): Config {
  return { ...config, drainSeconds: Math.min(config.drainSeconds, 3) };
}
