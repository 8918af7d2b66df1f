/** Clients that hold up the server, in a separate process. */

import { buildGo, LineProcess } from "../kit/servers/line_process.ts";

export interface HolderOptions {
  readonly kind: string;
  readonly port: number;
  readonly clients: number;
  /** How many devices bench-0, bench-1, … they ask for; 100 by default. */
  readonly devices?: number;
  readonly tls?: boolean;
  /** An old cursor, for kinds that resume. */
  readonly cursor?: string;
}

/** The clients' results; lifetimes, in seconds, are those of connections that the server ended. */
export interface HolderResult {
  readonly opened: number;
  readonly ended: number;
  readonly open: number;
  readonly median: number;
  readonly longest: number;
  /** How often clients finished their routine and started over. */
  readonly cycles: number;
  readonly sent: number;
  readonly received: number;
  readonly outcomes: Readonly<Record<string, number>>;
}

let binary = "";

export async function buildHolders(): Promise<void> {
  binary = await buildGo(new URL("clients/", import.meta.url), "holding-clients");
}

/**
 * Call {@linkcode buildHolders} first. The clients run at the lowest priority: real ones run on
 * other machines and take no CPU time from the server either.
 */
export class Holders implements AsyncDisposable {
  private constructor(private readonly process: LineProcess) {}

  static start(options: HolderOptions): Holders {
    const { kind, port, clients, devices = 100, tls = false, cursor = "" } = options;
    return new Holders(LineProcess.start("nice", [
      ...["-n", "19", binary, "-kind", kind, "-address", `127.0.0.1:${port}`],
      ...["-clients", String(clients), `-tls=${tls}`, "-cursor", cursor],
      ...["-devices", String(devices)],
    ]));
  }

  get pid(): number {
    return this.process.pid;
  }

  /** Connects all clients and runs them for `seconds`; they stay until they are disposed of. */
  async run(seconds: number): Promise<HolderResult> {
    return await this.process.ask({ seconds }) as HolderResult;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process[Symbol.asyncDispose]();
  }
}
