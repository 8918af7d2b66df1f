/** Runs the program as production does. */

import type { Certificates } from "./certificates.ts";
import { PATIENCE_MS } from "../patience.ts";
import { freePort } from "../ports.ts";
import { TestProcess } from "./process.ts";
import { TempDir } from "../temp_dir.ts";

export interface TelecastOptions {
  /** Configuration variables; the program inherits almost nothing else from the environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  /** Flags of `deno run`, in addition to those of `deno task start`. */
  readonly flags?: readonly string[];
  /** Working directory, which holds `./data`; a temporary one by default. */
  readonly cwd?: string;
  readonly port?: number;
  /** A command prefix that runs the program: `["sh", "-c", "…; exec \"$@\"", "sh"]`. */
  readonly wrapper?: readonly string[];
  readonly readyTimeoutMs?: number;
  /** Serves TLS, and so behind the guard, with its own certificate signed by this authority. */
  readonly tls?: Certificates;
}

const ROOT = new URL("../../../", import.meta.url);

/** The command of a task in deno.json, split at spaces. */
export async function taskCommand(task: string): Promise<string[]> {
  const config = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  const entry = config.tasks?.[task];
  const command = typeof entry === "string" ? entry : entry?.command;
  if (typeof command !== "string") throw new Error(`Cannot find the task ${task} in deno.json`);
  return command.trim().split(/\s+/);
}

/** The flags of `deno task start`, up to `main.ts`. */
export async function startFlags(): Promise<string[]> {
  const words = await taskCommand("start");
  const end = words.indexOf("main.ts");
  if (words[0] !== "deno" || words[1] !== "run" || end < 0) {
    throw new Error(`Cannot parse the start task: ${words.join(" ")}`);
  }
  return words.slice(2, end);
}

/** One instance of the program. */
export class Telecast implements AsyncDisposable {
  readonly port: number;
  #process: TestProcess | undefined;
  #output = "";
  /** Trusts the authority that signed the certificate, if there is one. */
  #client: Deno.HttpClient | undefined;

  private constructor(
    private readonly dir: TempDir | undefined,
    private options: TelecastOptions,
  ) {
    this.port = options.port ?? freePort();
  }

  /** Starts the program and waits until /readyz answers 200. */
  static async start(options: TelecastOptions = {}): Promise<Telecast> {
    const dir = options.cwd === undefined ? await TempDir.create("telecast-") : undefined;
    const telecast = new Telecast(dir, options);
    try {
      await telecast.#useTls();
      await telecast.start();
    } catch (error) {
      await telecast[Symbol.asyncDispose]();
      throw error;
    }
    return telecast;
  }

  /** Runs the program to its end, for `--check`, `--help` and rejected configurations. */
  static async runToEnd(options: TelecastOptions = {}) {
    await using dir = await TempDir.create("telecast-");
    await using process = await launch(options.cwd ?? dir.path, freePort(), options);
    const { code } = await process.waitForExit({ timeoutMs: 20_000 });
    return { code, output: process.output, stdout: process.stdout };
  }

  get cwd(): string {
    return this.options.cwd ?? this.dir!.path;
  }

  get url(): string {
    return `http${this.options.tls ? "s" : ""}://127.0.0.1:${this.port}`;
  }

  /** For a test's own requests when the program serves TLS. */
  get client(): Deno.HttpClient | undefined {
    return this.#client;
  }

  /** The stream's address for WebSocket; `query` without the question mark. */
  wsUrl(query = ""): string {
    return this.sseUrl(query).replace("http", "ws");
  }

  sseUrl(query = ""): string {
    return `${this.url}/api/v1/stream${query && `?${query}`}`;
  }

  get running(): boolean {
    return this.#process !== undefined && this.#process.status === undefined;
  }

  get process(): TestProcess {
    if (!this.#process) throw new Error("Cannot use Telecast: it is stopped");
    return this.#process;
  }

  /** Everything printed since the first start. */
  get output(): string {
    return this.#output + (this.#process?.output ?? "");
  }

  /** Requests a JSON route, with GET by default. */
  // deno-lint-ignore no-explicit-any -- tests read bodies of many shapes
  async json(path: string, init?: RequestInit): Promise<any> {
    const response = await this.#fetch(path, init);
    const text = await response.text();
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text}`);
    return JSON.parse(text);
  }

  /** Waits until a source is connected and thus subscribed: later messages are not missed. */
  async waitForSource(name = "mqtt", { timeoutMs = PATIENCE_MS } = {}): Promise<void> {
    await this.process.waitUntil(`connected to ${name}`, async () => {
      const { sources } = await this.json("/api/v1/stats");
      return sources.some((source: { name: string; state: string }) =>
        source.name === name && source.state === "connected"
      );
    }, { timeoutMs });
  }

  async start(): Promise<void> {
    if (this.#process) throw new Error("Cannot start Telecast: it is already running");
    this.#process = await launch(this.cwd, this.port, this.options);
    await this.#process.waitUntil("ready", () => this.#isReady(), {
      timeoutMs: this.options.readyTimeoutMs ?? 60_000,
    });
  }

  /** Sends a signal; if the signal ends the process, waits for the exit. */
  async kill(signal: Deno.Signal = "SIGTERM", { timeoutMs = PATIENCE_MS } = {}): Promise<void> {
    const process = this.process;
    process.kill(signal);
    if (signal === "SIGSTOP" || signal === "SIGCONT") return;
    await process.waitForExit({ timeoutMs });
    this.#output += process.output;
    this.#process = undefined;
  }

  /** Restarts the program on the same port and data, with `env` added. */
  async restart(
    { signal = "SIGTERM", env }: {
      signal?: Deno.Signal;
      env?: Readonly<Record<string, string>>;
    } = {},
  ): Promise<void> {
    if (this.#process) await this.kill(signal);
    if (env) this.options = { ...this.options, env: { ...this.options.env, ...env } };
    await this.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#process?.[Symbol.asyncDispose]();
    } finally {
      this.#client?.close();
      await this.dir?.[Symbol.asyncDispose]();
    }
  }

  #fetch(path: string, init?: RequestInit): Promise<Response> {
    return fetch(this.url + path, { ...init, ...(this.#client && { client: this.#client }) });
  }

  async #useTls(): Promise<void> {
    const { tls, env } = this.options;
    if (!tls) return;
    const { certPath, keyPath } = await tls.server(`telecast-${this.port}`);
    this.options = {
      ...this.options,
      env: { TLS_CERT_PATH: certPath, TLS_KEY_PATH: keyPath, ...env },
    };
    this.#client = Deno.createHttpClient({ caCerts: [await Deno.readTextFile(tls.caPath)] });
  }

  async #isReady(): Promise<boolean> {
    try {
      const response = await this.#fetch("/readyz");
      await response.body?.cancel();
      return response.status === 200;
    } catch {
      return false;
    }
  }
}

async function launch(cwd: string, port: number, options: TelecastOptions): Promise<TestProcess> {
  const inherited = ["PATH", "HOME", "DENO_DIR"].flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  const [wrapper, ...wrapped] = options.wrapper ?? [];
  return TestProcess.start(wrapper ?? Deno.execPath(), {
    name: "telecast",
    args: [
      ...(wrapper ? [...wrapped, Deno.execPath()] : []),
      "run",
      "--no-prompt",
      ...await startFlags(),
      ...options.flags ?? [],
      new URL("main.ts", ROOT).pathname,
      ...options.args ?? [],
    ],
    cwd,
    clearEnv: true,
    env: { ...Object.fromEntries(inherited), PORT: String(port), ...options.env },
    mustLive: true,
  });
}
