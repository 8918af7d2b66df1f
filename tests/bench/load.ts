/** The load client: built once, then driven over its standard input. */

import { buildGo, LineProcess } from "../kit/servers/line_process.ts";
import type { Mosquitto } from "../kit/servers/mosquitto.ts";

export interface LoadOptions {
  readonly transport: "ws" | "sse";
  readonly port: number;
  readonly broker: Mosquitto;
  readonly clients: number;
  readonly devices: number;
  /** How many devices each client asks for. */
  readonly each: number;
  readonly qos?: 0 | 1;
  /** Payload length; 300 by default. */
  readonly bytes?: number | undefined;
  /** Prefix of the ids that clients ask for; by default, that of the published devices. */
  readonly watch?: string;
  /** Added to the query of the stream. */
  readonly query?: string;
  /** A client counts as connected once it has received this text. */
  readonly until?: string;
  /** Connects with TLS; certificates are not verified. */
  readonly tls?: boolean;
}

export interface Step {
  readonly rate: number;
  readonly seconds: number;
  readonly drainSeconds: number;
}

/** The results of a step; latencies are in milliseconds, `perSecond` counts deliveries. */
export interface StepResult {
  readonly sent: number;
  readonly expected: number;
  readonly received: number;
  readonly lost: number;
  readonly repeated: number;
  readonly reordered: number;
  readonly closed: number;
  readonly perSecond: number;
  /** Messages a second that were actually published. */
  readonly achieved: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

let binary = "";

export async function buildLoad(): Promise<void> {
  binary = await buildGo(new URL("load/", import.meta.url), "bench-load");
}

/** Connected clients and a publisher. Call {@linkcode buildLoad} first. */
export class Load implements AsyncDisposable {
  /** How long it took until every client was connected. */
  openSeconds = 0;

  private constructor(private readonly process: LineProcess) {}

  get pid(): number {
    return this.process.pid;
  }

  /** Resolves once every client is connected. */
  static async open(options: LoadOptions): Promise<Load> {
    const query = options.query === undefined ? "" : `&${options.query}`;
    const scheme = options.tls ? "https" : "http";
    const url = `${scheme}://127.0.0.1:${options.port}/api/v1/stream?device_ids={ids}${query}`;
    const load = new Load(LineProcess.start(binary, [
      ...["-transport", options.transport, "-url", url, "-clients", String(options.clients)],
      ...["-devices", String(options.devices), "-each", String(options.each)],
      ...["-broker", `127.0.0.1:${options.broker.port}`, "-qos", String(options.qos ?? 0)],
      ...["-watch", options.watch ?? "bench", "-until", options.until ?? ""],
      ...["-bytes", String(options.bytes ?? 300)],
    ]));
    const { openSeconds } = await load.process.answer() as { openSeconds: number };
    load.openSeconds = openSeconds;
    return load;
  }

  async step(step: Step): Promise<StepResult> {
    return await this.process.ask(step) as StepResult;
  }

  /** Publishes as fast as the broker accepts messages; resolves once everything is written. */
  async blast(count: number): Promise<void> {
    await this.process.ask({ count });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process[Symbol.asyncDispose]();
  }
}
