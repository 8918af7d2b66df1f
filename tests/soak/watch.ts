/** Samples a process from outside, and collects the samples of the probe inside it. */

import type { Sample } from "../kit/probe.ts";
import type { Telecast } from "../kit/servers/telecast.ts";

const EVERY_MS = 5_000;
/** Of Linux, on every platform that Deno supports. */
const TICKS_PER_SECOND = 100;

export class Watch implements AsyncDisposable {
  readonly residentBytes: number[] = [];
  readonly handles: number[] = [];
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(private readonly telecast: Telecast) {
    this.#timer = setInterval(() => this.#sample().catch(() => {}), EVERY_MS);
  }

  /** All samples that the probe printed. */
  get inside(): Sample[] {
    return [...this.telecast.output.matchAll(/^probe (\{.*\})$/gm)].map(([, json]) =>
      JSON.parse(json!)
    );
  }

  /** Fraction of one core that the process uses over `ms`. */
  async cpu(ms: number): Promise<number> {
    const before = await this.#ticks();
    await new Promise((resolve) => setTimeout(resolve, ms));
    return (await this.#ticks() - before) / TICKS_PER_SECOND / (ms / 1000);
  }

  [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    return Promise.resolve();
  }

  async #sample(): Promise<void> {
    const { process } = this.telecast;
    this.residentBytes.push(await process.residentBytes());
    let handles = 0;
    for await (const _ of Deno.readDir(`/proc/${process.pid}/fd`)) handles++;
    this.handles.push(handles);
  }

  async #ticks(): Promise<number> {
    const stat = await Deno.readTextFile(`/proc/${this.telecast.process.pid}/stat`);
    // The name, which may contain spaces, is in parentheses; user and system time follow.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return Number(fields[11]) + Number(fields[12]);
  }
}
