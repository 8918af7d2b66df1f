/** Runs denokv, the KV server that instances share. */

import { freePort, isListening } from "../ports.ts";
import { TestProcess } from "./process.ts";
import { TempDir } from "../temp_dir.ts";

/** Where tests/integration/install.sh installs it; without it, denokv from the PATH is used. */
const INSTALLED = ".cache/telecast/denokv/bin/denokv";

export interface DenoKvOptions {
  readonly port?: number;
  readonly accessToken?: string;
}

export class DenoKv implements AsyncDisposable {
  readonly port: number;
  readonly accessToken: string;
  #process: TestProcess | undefined;
  #database = 0;

  private constructor(private readonly dir: TempDir, options: DenoKvOptions) {
    this.port = options.port ?? freePort();
    this.accessToken = options.accessToken ?? crypto.randomUUID();
  }

  static async start(options: DenoKvOptions = {}): Promise<DenoKv> {
    const kv = new DenoKv(await TempDir.create("denokv-"), options);
    try {
      await kv.start();
    } catch (error) {
      await kv[Symbol.asyncDispose]();
      throw error;
    }
    return kv;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The variables that point Telecast to this store. */
  get env(): { DENO_KV_URL: string; DENO_KV_ACCESS_TOKEN: string } {
    return { DENO_KV_URL: this.url, DENO_KV_ACCESS_TOKEN: this.accessToken };
  }

  get process(): TestProcess {
    if (!this.#process) throw new Error("Cannot use denokv: it is stopped");
    return this.#process;
  }

  /** Size of the database with its write-ahead log, in bytes. */
  async databaseBytes(): Promise<number> {
    const sizes = [this.#path, `${this.#path}-wal`].map((path) =>
      Deno.stat(path).then(({ size }) => size, () => 0)
    );
    return (await Promise.all(sizes)).reduce((sum, size) => sum + size);
  }

  async start(): Promise<void> {
    if (this.#process) throw new Error("Cannot start denokv: it is already running");
    this.#process = TestProcess.start(await command(), {
      args: [
        ...["--sqlite-path", this.#path, "serve"],
        ...["--access-token", this.accessToken, "--addr", `127.0.0.1:${this.port}`],
      ],
      mustLive: true,
    });
    await this.#process.waitUntil("listening", () => isListening(this.port));
  }

  async stop(signal: Deno.Signal = "SIGKILL"): Promise<void> {
    const process = this.process;
    process.kill(signal);
    await process.waitForExit();
    this.#process = undefined;
  }

  /** Restarts the server on the same port; with an empty database if `empty` is set. */
  async restart(
    { signal = "SIGKILL", empty = false }: { signal?: Deno.Signal; empty?: boolean } = {},
  ): Promise<void> {
    if (this.#process) await this.stop(signal);
    if (empty) this.#database++;
    await this.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#process?.[Symbol.asyncDispose]();
    } finally {
      await this.dir[Symbol.asyncDispose]();
    }
  }

  get #path(): string {
    return this.dir.join(`kv-${this.#database}.sqlite`);
  }
}

async function command(): Promise<string> {
  const installed = `${Deno.env.get("HOME")}/${INSTALLED}`;
  const exists = await Deno.stat(installed).then(() => true, () => false);
  return exists ? installed : "denokv";
}
