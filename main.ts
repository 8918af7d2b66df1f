/** The command line: reads the configuration, runs the program, stops it on a signal. */

import { StoreDamagedError } from "./broker/store/kv_client.ts";
import { StoreError } from "./broker/log/open.ts";
import { readConfig } from "./config/read.ts";
import type { Config } from "./config/config.ts";
import { configSummary } from "./config/summary.ts";
import { configTable } from "./config/table.ts";
import { environmentNames, unknownVariables, unusedVariables } from "./config/unknown.ts";
import { helpOf } from "./config/help.ts";
import type { Demo } from "./ingest/demo/demo.ts";
import { MQTT, type MqttConfig } from "./ingest/mqtt/kind.ts";
import { SOURCES } from "./ingest/sources.ts";
import { logCrashes, logFault } from "./telemetry/fault.ts";
import { closeLog, configureLog, getLogger, reasonOf } from "./telemetry/log.ts";
import { startProgram } from "./program.ts";
import { listen, ListenError, type Listening } from "./server/listen.ts";
import { ConnectionCount } from "./routes/http/connection_count.ts";
import { Threads } from "./server/threads.ts";

const log = getLogger("main");
const EXIT_CONFIG = 2;
/** The first vehicle of the demo fleet. */
const DEMO_DEVICE = "0848086072";
/** Ctrl-C in a `deno task` arrives twice at once; only a later signal forces the end. */
const IMPATIENT_MS = 300;
/** Time for the last bytes to reach the clients. */
const CLOSE_MS = 500;
/** Time for a thread to end, in addition to the time that clients get. */
const THREAD_STOP_MS = 2000;

async function main(): Promise<number> {
  // Help is available even if the configuration is bad.
  if (Deno.args.some((arg) => arg === "--help" || arg === "-h")) return print(helpOf(SOURCES));
  const env = (name: string) => Deno.env.get(name);
  const result = readConfig(env, { sources: SOURCES, args: Deno.args });
  const slips = unknownVariables(environmentNames(), SOURCES)
    .map(({ name, like }) => `Unknown variable ${name}: did you mean ${like}?`);
  if (!result.ok) {
    for (const { name, message } of result.problems) say(`${name} ${message}`);
    for (const slip of slips) say(slip);
    say("Fix these problems and start again; --help lists every variable.");
    return EXIT_CONFIG;
  }
  const { config } = result;
  const hints = [
    ...slips,
    ...unusedVariables(result.set, SOURCES)
      .map(({ name, without }) => `${name} is ignored, because ${without} is not set`),
  ];
  if (config.check) {
    for (const hint of hints) say(hint);
    return print([
      `The configuration is valid: ${result.set.join(", ") || "defaults"}`,
      "",
      configTable(env, { sources: SOURCES, args: Deno.args }),
      "",
      ...configSummary(config, SOURCES),
    ].join("\n"));
  }
  try {
    await configureLog(config.log);
  } catch {
    say("LOG_FILE cannot be opened: `deno task start` may write only under ./data");
    return EXIT_CONFIG;
  }
  logCrashes();
  for (const hint of hints) log.warning("{hint}", { hint });
  const stopped = stopSignal();
  try {
    return await run(config, stopped);
  } catch (error) {
    const known = [StoreError, StoreDamagedError, ListenError];
    if (known.some((kind) => error instanceof kind)) {
      log.fatal("{reason}", { reason: reasonOf(error) });
      return error instanceof StoreError ? EXIT_CONFIG : 1;
    }
    logFault("the program failed", error);
    return 1;
  } finally {
    await closeLog();
  }
}

async function run(given: Config, stopped: Promise<string>): Promise<number> {
  const demo = given.dev && given.sources.size === 0 ? await openDemo() : undefined;
  const config = demo ? withDemo(given, demo) : given;
  await using _demo = { [Symbol.asyncDispose]: async () => await demo?.stop() };
  for (const line of configSummary(config, SOURCES)) log.info("{line}", { line });
  const connections = ConnectionCount.forThreads(config.threads);
  const shared = config.threads > 1;
  let server: Listening | undefined;
  const program = await startProgram(config, {
    connections,
    listen: async (fetch) => {
      if (config.http) server = await listen(config, fetch, { shared });
    },
  });
  const failed = program.ready.then(() => new Promise<never>(() => {}));
  failed.catch(() => {});
  const threads = config.http && shared
    ? new Threads(config, config.threads - 1, connections)
    : undefined;
  program.ready.then(() => demo && invite(config, demo), () => {});
  try {
    const signal = await Promise.race([stopped, failed]);
    log.info("received {signal}, stopping", { signal });
  } finally {
    // After a failed start too: another instance need not wait for this one's lease.
    const stopping = threads?.stop(config.drainSeconds * 1000 + THREAD_STOP_MS);
    await program.stop();
    await stopping;
    await closed(server);
  }
  log.info("stopped");
  return 0;
}

/** Waits only for a limited time: a client that does not read would block the shutdown forever. */
async function closed(server: Listening | undefined): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => timer = setTimeout(resolve, CLOSE_MS));
  await Promise.race([server?.shutdown(), late]);
  clearTimeout(timer);
}

/** Loaded only here: production does not need an embedded broker. */
async function openDemo(): Promise<Demo> {
  const { startDemo } = await import("./ingest/demo/demo.ts");
  return await startDemo({ logger: getLogger("demo") });
}

function withDemo(config: Config, demo: Demo): Config {
  const mqtt: MqttConfig = {
    url: demo.brokerUrl,
    topics: [demo.topic],
    qos: 1,
    username: undefined,
    password: undefined,
    caPath: undefined,
    clientId: undefined,
  };
  return {
    ...config,
    sources: new Map([[MQTT.name, mqtt]]),
    drainSeconds: Math.min(config.drainSeconds, 1),
  };
}

function invite({ host, port, tls }: Config, demo: Demo): void {
  const address = `${tls ? "https" : "http"}://${host}:${port}`;
  print([
    "",
    `  Live page     ${address}/`,
    `  MQTT broker   ${demo.brokerUrl}`,
    `  Try           curl -N "${address}/api/v1/stream?device_ids=${DEMO_DEVICE}"`,
    "",
    "  Ctrl-C ends it.",
    "",
  ].join("\n"));
}

/** Resolves at the first signal; a later one ends the process at once. */
function stopSignal(): Promise<string> {
  let first: number | undefined;
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      Deno.addSignalListener(signal, () => {
        const now = performance.now();
        if (first === undefined) first = now;
        else if (now - first > IMPATIENT_MS) Deno.exit(130);
        resolve(signal);
      });
    }
  });
}

function print(text: string): number {
  Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));
  return 0;
}

function say(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`telecast: ${text}\n`));
}

if (import.meta.main) Deno.exit(await main());
