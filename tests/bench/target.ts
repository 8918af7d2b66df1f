/** The bench's targets: Telecast, a peer in Python, and raw Deno as the upper limit. */

import type { Mosquitto } from "../kit/servers/mosquitto.ts";
import { freePort, isListening } from "../kit/ports.ts";
import { TestProcess } from "../kit/servers/process.ts";
import { Telecast } from "../kit/servers/telecast.ts";

export type TargetName = "telecast" | "fastapi" | "raw deno";

export interface Target extends AsyncDisposable {
  readonly port: number;
  readonly process: TestProcess;
}

const HERE = new URL(".", import.meta.url).pathname;
const CACHE = `${Deno.env.get("HOME")}/.cache/telecast`;

/** Starts a target that is subscribed to the broker's `bench/#`. */
export function startTarget(
  name: TargetName,
  broker: Mosquitto,
  /** Variables for Telecast. */
  env: Readonly<Record<string, string>> = {},
): Promise<Target> {
  switch (name) {
    case "telecast":
      return startTelecast(broker, env);
    case "fastapi":
      return startPeer(broker);
    case "raw deno":
      return startRaw(broker);
  }
}

/** Starts Telecast as production does, with a SQLite store in its own folder. */
export async function startTelecast(
  broker: Mosquitto,
  env: Readonly<Record<string, string>> = {},
): Promise<Telecast> {
  const telecast = await Telecast.start({ env: { ...telecastEnv(broker), ...env } });
  try {
    await telecast.waitForSource();
  } catch (error) {
    await telecast[Symbol.asyncDispose]();
    throw error;
  }
  return telecast;
}

export function telecastEnv(broker: Mosquitto): Record<string, string> {
  return { BROKER_HOST: broker.url, BROKER_TOPIC: "bench/#", MQTT_QOS: "1" };
}

async function startRaw(broker: Mosquitto): Promise<Target> {
  const port = freePort();
  const process = TestProcess.start(Deno.execPath(), {
    name: "raw deno",
    args: ["run", "-A", `${HERE}raw_sender.ts`, String(port), broker.url],
    mustLive: true,
  });
  return await listening(process, port);
}

async function startPeer(broker: Mosquitto): Promise<Target> {
  const port = freePort();
  const process = TestProcess.start(await peerPython(), {
    name: "fastapi",
    args: [
      ...["-m", "uvicorn", "app:app", "--app-dir", `${HERE}peer`, "--port", String(port)],
      ...["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"],
    ],
    env: { BROKER_PORT: String(broker.port), PYTHONDONTWRITEBYTECODE: "1" },
    mustLive: true,
  });
  return await listening(process, port);
}

/** The Python of a virtual environment with the peer's packages, created on first use. */
async function peerPython(): Promise<string> {
  const wanted = await Deno.readTextFile(`${HERE}peer/requirements.txt`);
  const mark = `${CACHE}/peer/requirements.txt`;
  const installed = await Deno.readTextFile(mark).catch(() => undefined);
  if (installed !== wanted) {
    await TestProcess.run("python3", { args: ["-m", "venv", "--clear", `${CACHE}/peer`] });
    await TestProcess.run(`${CACHE}/peer/bin/pip`, {
      args: ["install", "-q", "--disable-pip-version-check", "-r", `${HERE}peer/requirements.txt`],
      timeoutMs: 300_000,
    });
    await Deno.writeTextFile(mark, wanted);
  }
  return `${CACHE}/peer/bin/python`;
}

async function listening(process: TestProcess, port: number): Promise<Target> {
  try {
    await process.waitUntil("listening", () => isListening(port), { timeoutMs: 30_000 });
  } catch (error) {
    await process[Symbol.asyncDispose]();
    throw error;
  }
  return { port, process, [Symbol.asyncDispose]: () => process[Symbol.asyncDispose]() };
}
