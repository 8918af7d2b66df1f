/** The load client: built once, then driven over its standard input. */

import type { Mosquitto } from "../kit/mosquitto.ts";
import { TestProcess } from "../kit/process.ts";

export interface LoadOptions {
  readonly transport: "ws" | "sse";
  readonly port: number;
  readonly broker: Mosquitto;
  readonly clients: number;
  readonly devices: number;
  /** Devices that a client asks for. */
  readonly each: number;
  readonly qos?: 0 | 1;
  /** What the ids that clients ask for begin with; those that are published for unless given. */
  readonly watch?: string;
  /** Added to the query of the stream. */
  readonly query?: string;
  /** A client counts as connected once it has received this text. */
  readonly until?: string;
}

export interface Step {
  readonly rate: number;
  readonly seconds: number;
  readonly drainSeconds: number;
}

/** What a step measured; latencies in milliseconds, `perSecond` are deliveries. */
export interface StepResult {
  readonly sent: number;
  readonly expected: number;
  readonly received: number;
  readonly lost: number;
  readonly repeated: number;
  readonly reordered: number;
  readonly closed: number;
  readonly perSecond: number;
  /** Messages a second that were really published. */
  readonly achieved: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

const SOURCE = new URL("load/", import.meta.url).pathname;
const BINARY = `${Deno.env.get("HOME")}/.cache/telecast/bench-load`;

export async function buildLoad(): Promise<void> {
  await TestProcess.run("go", {
    args: ["build", "-o", BINARY, "."],
    cwd: SOURCE,
    timeoutMs: 180_000,
  });
}

/** Connected clients and a publisher. */
export class Load implements AsyncDisposable {
  /** What it took until every client was connected. */
  openSeconds = 0;

  private constructor(
    private readonly child: Deno.ChildProcess,
    private readonly answers: AsyncIterator<string>,
    private readonly input: WritableStreamDefaultWriter<Uint8Array>,
  ) {}

  get pid(): number {
    return this.child.pid;
  }

  /** Resolves once every client is connected. */
  static async open(options: LoadOptions): Promise<Load> {
    const query = options.query === undefined ? "" : `&${options.query}`;
    const url = `http://127.0.0.1:${options.port}/api/v1/stream?device_ids={ids}${query}`;
    const child = new Deno.Command(BINARY, {
      args: [
        ...["-transport", options.transport, "-url", url, "-clients", String(options.clients)],
        ...["-devices", String(options.devices), "-each", String(options.each)],
        ...["-broker", `127.0.0.1:${options.broker.port}`, "-qos", String(options.qos ?? 0)],
        ...["-watch", options.watch ?? "bench", "-until", options.until ?? ""],
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const load = new Load(child, lines(child.stdout), child.stdin.getWriter());
    const { openSeconds } = await load.#answer() as { openSeconds: number };
    load.openSeconds = openSeconds;
    return load;
  }

  async step(step: Step): Promise<StepResult> {
    return await this.#ask(step) as StepResult;
  }

  /** Publishes as fast as the broker takes it; resolves once everything is written. */
  async blast(count: number): Promise<void> {
    await this.#ask({ count });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.input.close().catch(() => {});
    await this.child.status;
  }

  async #ask(question: unknown): Promise<unknown> {
    await this.input.write(new TextEncoder().encode(JSON.stringify(question) + "\n"));
    return await this.#answer();
  }

  async #answer(): Promise<unknown> {
    const { value, done } = await this.answers.next();
    if (done) throw new Error("The load client ended: see its last line above");
    return JSON.parse(value);
  }
}

async function* lines(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}
