/** A plain TCP load balancer for several instances. */

import { freePort, isListening } from "../ports.ts";
import { TestProcess } from "./process.ts";
import { TempDir } from "../temp_dir.ts";

export interface HaproxyOptions {
  readonly ports: readonly number[];
  /** Instances get clients only while GET of this path answers 200; by default, a TCP check. */
  readonly checkPath?: string;
  readonly balance?: "roundrobin" | "leastconn";
}

export class Haproxy implements AsyncDisposable {
  private constructor(
    readonly port: number,
    readonly process: TestProcess,
    private readonly dir: TempDir,
  ) {}

  static async start(options: HaproxyOptions): Promise<Haproxy> {
    const port = freePort();
    const dir = await TempDir.create("haproxy-");
    const path = await dir.write("haproxy.cfg", config(port, options));
    const process = TestProcess.start("/usr/sbin/haproxy", { args: ["-db", "-f", path] });
    const haproxy = new Haproxy(port, process, dir);
    try {
      await process.waitUntil("listening", () => isListening(port));
    } catch (error) {
      await haproxy[Symbol.asyncDispose]();
      throw error;
    }
    return haproxy;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // On a graceful stop, it would wait for every client.
    this.process.kill("SIGKILL");
    await this.process[Symbol.asyncDispose]();
    await this.dir[Symbol.asyncDispose]();
  }
}

function config(port: number, { ports, checkPath, balance = "roundrobin" }: HaproxyOptions) {
  const servers = ports.map((port, i) =>
    `  server instance${i} 127.0.0.1:${port} check inter 200ms fall 2 rise 1`
  );
  return `
defaults
  mode tcp
  timeout connect 2s
  timeout client 1h
  timeout server 1h
  option redispatch
  retries 3
listen telecast
  bind 127.0.0.1:${port}
  balance ${balance}
  ${checkPath ? `option httpchk GET ${checkPath}\n  http-check expect status 200` : ""}
${servers.join("\n")}
`;
}
