/** A program that answers each line of JSON on its standard input with one line. */

import { createHash } from "node:crypto";
import { TestProcess } from "./process.ts";

const CACHE = `${Deno.env.get("HOME")}/.cache/telecast`;

/** Builds a Go program of the tests and returns its path. Go's cache makes rebuilds fast. */
export async function buildGo(source: URL, name: string): Promise<string> {
  // Another checkout may have a different program of the same name.
  const path = `${CACHE}/${name}-${
    createHash("sha1").update(source.href).digest("hex").slice(0, 8)
  }`;
  await TestProcess.run("go", {
    args: ["build", "-o", path, "."],
    cwd: source.pathname,
    env: { CGO_ENABLED: "0" },
    timeoutMs: 180_000,
  });
  return path;
}

/** Disposing closes the program's input, which ends it. */
export class LineProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #answers: AsyncIterator<string>;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;

  private constructor(private readonly command: string, args: readonly string[]) {
    this.#child = new Deno.Command(command, {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#answers = lines(this.#child.stdout);
    this.#input = this.#child.stdin.getWriter();
  }

  static start(command: string, args: readonly string[]): LineProcess {
    return new LineProcess(command, args);
  }

  get pid(): number {
    return this.#child.pid;
  }

  async ask(question: unknown): Promise<unknown> {
    await this.#input.write(new TextEncoder().encode(JSON.stringify(question) + "\n"));
    return await this.answer();
  }

  /** The next line, for programs that also write without being asked. */
  async answer(): Promise<unknown> {
    const { value, done } = await this.#answers.next();
    if (done) throw new Error(`${this.command} ended: see its last line above`);
    return JSON.parse(value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close().catch(() => {});
    await this.#child.status;
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
