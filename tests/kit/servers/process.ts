/** Servers and tools that a test runs as separate processes. */

import { PATIENCE_MS } from "../patience.ts";

export interface ProcessOptions {
  /** Shown in messages; the command's name by default. */
  readonly name?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Gives the process only `env`, nothing from the test's own environment. */
  readonly clearEnv?: boolean;
  readonly cwd?: string;
  /** Text for the standard input, which is then closed. */
  readonly input?: string;
  /** Disposing fails if the process ended before it was told to. True for servers. */
  readonly mustLive?: boolean;
}

const MAX_OUTPUT_CHARS = 8_000_000;
const LAST_LINES = 40;

const running = new Set<TestProcess>();

// If a run is interrupted or throws outside a test, no server is left behind.
globalThis.addEventListener("unload", () => {
  for (const process of running) process.kill("SIGKILL");
});

/** The last output lines of every running process, for failure messages. */
export function lastOutputs(): string {
  return [...running].map((process) => process.lastLines()).join("");
}

/** A process with its output; disposing ends it if it is still running. */
export class TestProcess implements AsyncDisposable {
  readonly name: string;
  readonly pid: number;
  readonly exited: Promise<Deno.CommandStatus>;
  /** Undefined while it runs. */
  status: Deno.CommandStatus | undefined;
  #stdout = "";
  #output = "";
  #told = false;
  readonly #child: Deno.ChildProcess;
  readonly #mustLive: boolean;
  readonly #changed = new Set<() => void>();

  private constructor(command: string, options: ProcessOptions) {
    this.name = options.name ?? command.split("/").at(-1)!;
    this.#mustLive = options.mustLive ?? false;
    try {
      this.#child = new Deno.Command(command, {
        args: [...options.args ?? []],
        ...(options.env && { env: { ...options.env } }),
        clearEnv: options.clearEnv ?? false,
        ...(options.cwd && { cwd: options.cwd }),
        stdin: options.input === undefined ? "null" : "piped",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      throw new Error(
        `Cannot start ${command}: it is not installed. Run: bash tests/integration/install.sh`,
        { cause: error },
      );
    }
    this.pid = this.#child.pid;
    running.add(this);
    this.exited = this.#run(options.input);
  }

  static start(command: string, options: ProcessOptions = {}): TestProcess {
    return new TestProcess(command, options);
  }

  /** Runs a command to its end and returns its standard output; fails if the exit code is not 0. */
  static async run(command: string, options: ProcessOptions & { timeoutMs?: number } = {}) {
    await using process = new TestProcess(command, options);
    const status = await process.waitForExit({ timeoutMs: options.timeoutMs ?? 60_000 });
    if (!status.success) {
      throw new Error(`${process.name} failed with code ${status.code}${process.lastLines()}`);
    }
    return process.stdout;
  }

  get stdout(): string {
    return this.#stdout;
  }

  /** Standard output and standard error, interleaved as they arrived. */
  get output(): string {
    return this.#output;
  }

  /** The first match of `pattern` in the output after `from`, past or future. */
  async waitForOutput(
    pattern: RegExp | string,
    { timeoutMs = PATIENCE_MS, from = 0 }: { timeoutMs?: number; from?: number } = {},
  ): Promise<RegExpMatchArray> {
    const deadline = performance.now() + timeoutMs;
    while (true) {
      const text = this.#output.slice(from);
      const match = typeof pattern === "string"
        ? text.includes(pattern) ? [pattern] as RegExpMatchArray : null
        : text.match(pattern);
      if (match) return match;
      if (this.status) throw this.#error(`ended before it printed ${pattern}`);
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw this.#error(`did not print ${pattern} within ${timeoutMs} ms`);
      await this.#change(leftMs);
    }
  }

  /** Waits until `check` returns true; fails at once if the process ends before that. */
  async waitUntil(
    what: string,
    check: () => boolean | Promise<boolean>,
    { timeoutMs = PATIENCE_MS }: { timeoutMs?: number } = {},
  ): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!await check()) {
      if (this.status) throw this.#error(`ended before ${what}`);
      if (performance.now() >= deadline) throw this.#error(`not ${what} within ${timeoutMs} ms`);
      await this.#change(20);
    }
  }

  async waitForExit({ timeoutMs = PATIENCE_MS } = {}): Promise<Deno.CommandStatus> {
    this.#told = true;
    const deadline = performance.now() + timeoutMs;
    while (!this.status) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw this.#error(`did not end within ${timeoutMs} ms`);
      await this.#change(leftMs);
    }
    return this.status;
  }

  /** Sends a signal; does nothing if the process has ended. */
  kill(signal: Deno.Signal = "SIGTERM"): void {
    if (signal !== "SIGSTOP" && signal !== "SIGCONT") this.#told = true;
    if (this.status) return;
    try {
      this.#child.kill(signal);
    } catch {
      // It ended between the check and the call.
    }
  }

  /** Sends SIGHUP; unlike kill(), the process is still expected to live. */
  reload(): void {
    if (!this.status) this.#child.kill("SIGHUP");
  }

  /** Resident memory of the process, in bytes. */
  async residentBytes(): Promise<number> {
    const status = await Deno.readTextFile(`/proc/${this.pid}/status`);
    return Number(status.match(/^VmRSS:\s+(\d+) kB/m)?.[1] ?? NaN) * 1024;
  }

  lastLines(): string {
    const lines = this.#output.trimEnd().split("\n").slice(-LAST_LINES);
    return `\n--- last output of ${this.name} (${this.pid}) ---\n${lines.join("\n")}\n---`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const died = this.status !== undefined && !this.#told;
    if (!this.status) {
      this.kill("SIGCONT");
      this.kill("SIGTERM");
      const timer = setTimeout(() => this.kill("SIGKILL"), 8_000);
      await this.exited;
      clearTimeout(timer);
    }
    running.delete(this);
    if (died && this.#mustLive) {
      throw this.#error(`ended by itself with code ${this.status!.code}`);
    }
  }

  async #run(input: string | undefined): Promise<Deno.CommandStatus> {
    const streams = [this.#read(this.#child.stdout, true), this.#read(this.#child.stderr, false)];
    if (input !== undefined) {
      await ReadableStream.from([new TextEncoder().encode(input)]).pipeTo(this.#child.stdin)
        .catch(() => {});
    }
    const status = await this.#child.status;
    await Promise.all(streams);
    this.status = status;
    running.delete(this);
    this.#wake();
    return status;
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>, isStdout: boolean): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      if (isStdout) this.#stdout = (this.#stdout + text).slice(-MAX_OUTPUT_CHARS);
      this.#output = (this.#output + text).slice(-MAX_OUTPUT_CHARS);
      this.#wake();
    }
  }

  #wake(): void {
    for (const wake of this.#changed) wake();
  }

  #change(atMostMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#changed.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, atMostMs);
      this.#changed.add(wake);
    });
  }

  #error(what: string): Error {
    return new Error(`${this.name} ${what}${this.lastLines()}`);
  }
}
