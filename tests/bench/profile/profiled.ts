/**
 * The program with a profiler in each thread. SIGUSR2 starts profiling; a second one stops it and
 * writes `<thread name>.cpuprofile` to the folder given as the first argument.
 */

import { CONTROL, Profiler } from "./profiler.ts";

const [folder, ...args] = Deno.args;
const RealWorker = globalThis.Worker;

globalThis.Worker = class extends RealWorker {
  constructor(module: string | URL, options?: WorkerOptions) {
    const wrapper = new URL("profiled_worker.ts", import.meta.url);
    const name = options?.name ?? "worker";
    wrapper.search = new URLSearchParams({ module: String(module), name, folder: folder! })
      .toString();
    super(wrapper, options);
  }
};

const { readConfig } = await import("../../../config/read.ts");
const { SOURCES } = await import("../../../ingest/sources.ts");
const { listen } = await import("../../../server/listen.ts");
const { configureLog } = await import("../../../telemetry/log.ts");
const { startProgram } = await import("../../../program.ts");

const result = readConfig((name) => Deno.env.get(name), { sources: SOURCES, args });
if (!result.ok) throw new Error(result.problems.map(({ name, message }) => name + message).join());
await configureLog(result.config.log);
const program = await startProgram(result.config);
const server = await listen(result.config, program.fetch);
await program.ready;

const control = new BroadcastChannel(CONTROL);
const own = new Profiler(`${folder}/main.cpuprofile`);
let begun = false;
Deno.addSignalListener("SIGUSR2", async () => {
  control.postMessage(begun ? "stop" : "start");
  if (begun) await own.stop();
  else await own.start();
  begun = !begun;
});
Deno.addSignalListener("SIGTERM", async () => {
  await program.stop();
  await server.shutdown();
  Deno.exit(0);
});
