/** Figures for StatsD: gauges as they are, counters as they grow. */

import { StatsD } from "hot-shots";
import { getLogger } from "./log.ts";

export interface Figures {
  readonly gauges: Readonly<Record<string, number>>;
  /** Totals since the start. */
  readonly counters: Readonly<Record<string, number>>;
}

const log = getLogger("statsd");
const INTERVAL_MS = 1000;
const WARN_MS = 60_000;

/** Sends the program's figures every second over UDP, and once more at the end. */
export class StatsdReporter implements AsyncDisposable {
  readonly #client: StatsD;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #sent = new Map<string, number>();
  #warned = -WARN_MS;

  constructor(address: { host: string; port: number }, private readonly read: () => Figures) {
    this.#client = new StatsD({
      host: address.host.replace(/^\[(.*)\]$/, "$1"),
      port: address.port,
      prefix: "telecast.",
      // Packets of one metric each would arrive out of order before the socket is bound.
      maxBufferSize: 1400,
      errorHandler: () => this.#warn(),
    });
    this.#timer = setInterval(() => this.#report(), INTERVAL_MS);
  }

  #report(): void {
    const { gauges, counters } = this.read();
    for (const [name, value] of Object.entries(gauges)) this.#client.gauge(name, value);
    for (const [name, total] of Object.entries(counters)) {
      const grown = total - (this.#sent.get(name) ?? 0);
      if (grown !== 0) this.#client.increment(name, grown);
      this.#sent.set(name, total);
    }
  }

  #warn(): void {
    const now = performance.now();
    if (now - this.#warned < WARN_MS) return;
    this.#warned = now;
    log.warning("StatsD cannot be reached: check STATSD_HOST; figures are lost meanwhile");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#report();
    await new Promise<void>((resolve) => this.#client.close(() => resolve()));
  }
}
