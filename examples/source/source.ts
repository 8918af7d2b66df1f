/** JSON lines over TCP. The server gets `ok` for each stored line and may then delete the line. */

import { Backoff } from "../../lib/backoff.ts";
import { sleep } from "../../lib/clock.ts";
import type { LinesConfig } from "./kind.ts";
import type { Intake, Source, SourceState } from "../../ingest/runtime/source.ts";

const MAX_LINE_BYTES = 1_000_000;
const LINE_FEED = 10;
const OK = new TextEncoder().encode("ok\n");

export class LinesSource implements Source {
  readonly #stop = new AbortController();
  readonly #backoff = new Backoff({ minMs: 500, maxMs: 30_000 });
  #running = Promise.resolve();
  #conn: Deno.TcpConn | undefined;

  constructor(private readonly server: LinesConfig) {}

  start(intake: Intake, onState: (state: SourceState) => void): void {
    this.#running = this.#run(intake, onState);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#conn?.close();
    await this.#running;
  }

  async #run(intake: Intake, onState: (state: SourceState) => void): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      onState({ state: "connecting" });
      const reason = await this.#read(intake, onState).then(() => "closed by the server", String);
      if (signal.aborted) break;
      const retryMs = this.#backoff.next();
      onState({ state: "waiting", reason, retryMs });
      await sleep(retryMs, signal);
    }
    onState({ state: "stopped" });
  }

  async #read(intake: Intake, onState: (state: SourceState) => void): Promise<void> {
    const conn = this.#conn = await Deno.connect(this.server);
    onState({ state: "connected" });
    this.#backoff.reset();
    let line: number[] = [];
    for await (const chunk of conn.readable) {
      for (const byte of chunk) {
        if (byte !== LINE_FEED) line.push(byte);
        else {
          intake.receive(
            Uint8Array.from(line),
            { topic: "lines" },
            () => conn.write(OK).catch(() => {}),
          );
          line = [];
        }
      }
      if (line.length > MAX_LINE_BYTES) throw new Error("a line is too long");
      // Stops reading while nothing can be stored, so that the server has to wait.
      await intake.ready();
    }
  }
}
