/** Clients that hold the server up, in a process of their own. */

import { buildGo, LineProcess } from "../kit/servers/line_process.ts";

export interface HolderOptions {
  readonly kind: string;
  readonly port: number;
  readonly clients: number;
  /** Devices bench-0, bench-1, … that they ask for; 100 unless given. */
  readonly devices?: number;
  readonly tls?: boolean;
  /** An old cursor, for kinds that resume. */
  readonly cursor?: string;
}

/** What became of them; lifetimes in seconds, of connections that the server ended. */
export interface HolderResult {
  readonly opened: number;
  readonly ended: number;
  readonly open: number;
  readonly median: number;
  readonly longest: number;
  /** How often clients came to the end of what they do, and did it again. */
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
 * {@linkcode buildHolders} comes before. They get only what others leave of the processor: clients
 * that are somewhere else take none of the server's time either.
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

  /** Connects them all and lets them go on for that long; they stay until disposed of. */
  async run(seconds: number): Promise<HolderResult> {
    return await this.process.ask({ seconds }) as HolderResult;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process[Symbol.asyncDispose]();
  }
}
