/** Starts and controls profiled.ts. */

import { eventually } from "../../kit/eventually.ts";
import { freePort } from "../../kit/ports.ts";
import { TestProcess } from "../../kit/servers/process.ts";
import { TempDir } from "../../kit/temp_dir.ts";
import { cpuMicros } from "../noise.ts";

/** The program with a profiler in each thread. */
export class Profiled implements AsyncDisposable {
  readonly port = freePort();
  readonly #process: TestProcess;
  #cpu = 0;

  private constructor(
    private readonly dir: TempDir,
    private readonly folder: string,
    env: Record<string, string>,
  ) {
    this.#process = TestProcess.start(Deno.execPath(), {
      name: "profiled",
      args: ["run", "-A", new URL("profiled.ts", import.meta.url).pathname, folder],
      cwd: dir.path,
      env: { PORT: String(this.port), LOG_LEVEL: "warning", ...env },
      mustLive: true,
    });
  }

  static async start(folder: string, env: Record<string, string>): Promise<Profiled> {
    const profiled = new Profiled(await TempDir.create("profiled-"), folder, env);
    await eventually("ready", async () => {
      const response = await fetch(`http://127.0.0.1:${profiled.port}/readyz`);
      await response.body?.cancel();
      return response.ok;
    }, { timeoutMs: 30_000 });
    return profiled;
  }

  connected(source: string): Promise<unknown> {
    return eventually("connected", async () =>
      (await this.#stats()).sources.some((
        { name, state }: { name: string; state: string },
      ) => name === source && state === "connected"));
  }

  async stored(): Promise<number> {
    return (await this.#stats()).fanout.stored;
  }

  async storedUpTo(count: number): Promise<void> {
    while (await this.stored() < count) await new Promise((resolve) => setTimeout(resolve, 50));
  }

  async begin(): Promise<void> {
    this.#cpu = await cpuMicros(this.#process.pid);
    this.#process.kill("SIGUSR2");
  }

  /** Resolves with the CPU microseconds that all threads have used since begin(). */
  async end(): Promise<number> {
    const used = await cpuMicros(this.#process.pid) - this.#cpu;
    this.#process.kill("SIGUSR2");
    const files = () =>
      [...Deno.readDirSync(this.folder)].filter(({ name }) => name.endsWith(".cpuprofile")).length;
    await eventually("profiles are written", () => files() >= 2, { timeoutMs: 60_000 });
    return used;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
    await this.dir[Symbol.asyncDispose]();
  }

  // deno-lint-ignore no-explicit-any -- the body of a route
  async #stats(): Promise<any> {
    return await (await fetch(`http://127.0.0.1:${this.port}/api/v1/stats`)).json();
  }
}
