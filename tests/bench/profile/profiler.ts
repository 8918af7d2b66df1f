/** V8's own profiler for the current thread. */

import { Session } from "node:inspector/promises";

/** The channel that tells all threads to `start` and `stop`. */
export const CONTROL = "telecast-profile";

const INTERVAL_MICROS = 500;

export class Profiler {
  readonly #session = new Session();

  constructor(private readonly path: string) {
    this.#session.connect();
  }

  async start(): Promise<void> {
    await this.#session.post("Profiler.enable");
    await this.#session.post("Profiler.setSamplingInterval", { interval: INTERVAL_MICROS });
    await this.#session.post("Profiler.start");
  }

  async stop(): Promise<void> {
    const { profile } = await this.#session.post("Profiler.stop") as { profile: unknown };
    await Deno.writeTextFile(`${this.path}.part`, JSON.stringify(profile));
    await Deno.rename(`${this.path}.part`, this.path);
  }
}
