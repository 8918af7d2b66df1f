/** Runs examples/source as its readers run it. */

import assert from "node:assert/strict";
import { eventually } from "../kit/eventually.ts";
import { trackingPayload } from "../kit/payload.ts";
import { freePort } from "../kit/ports.ts";
import { TestProcess } from "../kit/servers/process.ts";
import { SseClient } from "../kit/clients/sse_client.ts";
import { TempDir } from "../kit/temp_dir.ts";

const MAIN = new URL("../../examples/source/main.ts", import.meta.url).pathname;

Deno.test("the example source streams lines, acks them once stored, and reconnects", async () => {
  await using dir = await TempDir.create();
  const upstream = new Upstream();
  await using _upstream = upstream;
  const port = freePort();
  await using program = TestProcess.start(Deno.execPath(), {
    name: "examples/source",
    args: [
      ...["run", "--no-prompt", "--allow-net", "--allow-read", "--allow-write=data", "--allow-env"],
      MAIN,
    ],
    cwd: dir.path,
    env: { PORT: String(port), LINES_SERVER: `127.0.0.1:${upstream.port}` },
    mustLive: true,
  });
  await eventually("the source connects", () => upstream.conn !== undefined, { timeoutMs: 60_000 });
  const events = await eventually(
    "the stream",
    () => SseClient.open(`http://127.0.0.1:${port}/api/v1/stream`),
    { timeoutMs: 30_000 },
  );
  await using _events = events;
  const [first, second] = [trackingPayload("A", 1), trackingPayload("B", 1)];
  await upstream.send(first, "no JSON", second);
  const seen = await events.waitForMessages(2, 30_000);
  assert.deepEqual(seen.map(({ data }) => data), [first, second]);
  // Unusable lines are acked too: sending them again would not help.
  await eventually("three acks", () => upstream.answers === "ok\nok\nok\n");
  await eventually("the source appears in the stats", async () => {
    const stats = await (await fetch(`http://127.0.0.1:${port}/api/v1/stats`)).json();
    const [{ name, state, malformed }] = stats.sources;
    return name === "lines" && state === "connected" && malformed === 1;
  });

  upstream.conn!.close();
  upstream.conn = undefined;
  await eventually("it reconnects", () => upstream.conn !== undefined, { timeoutMs: 30_000 });
  await upstream.send(trackingPayload("A", 2));
  await events.waitForMessages(3, 30_000);
  program.kill("SIGTERM");
  assert.equal((await program.waitForExit()).code, 0);
});

Deno.test("the example source has at most 60 lines", async () => {
  const text = await Deno.readTextFile(new URL("../../examples/source/source.ts", import.meta.url));
  assert.ok(text.split("\n").filter((line) => line.trim() !== "").length <= 60);
});

/** The server that the source reads from. */
class Upstream implements AsyncDisposable {
  conn: Deno.Conn | undefined;
  answers = "";
  readonly #listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  readonly #running = this.#run();

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  async send(...lines: string[]): Promise<void> {
    await this.conn!.write(new TextEncoder().encode(lines.map((line) => `${line}\n`).join("")));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    const reading: Promise<void>[] = [];
    for await (const conn of this.#listener) {
      this.conn = conn;
      reading.push(this.#read(conn).catch(() => {}));
    }
    await Promise.all(reading);
  }

  async #read(conn: Deno.Conn): Promise<void> {
    for await (const text of conn.readable.pipeThrough(new TextDecoderStream())) {
      this.answers += text;
    }
  }
}
