/** Failures of the instances in a run, one after another. */

import type { Random } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SimInstance } from "./sim_instance.ts";
import type { Outage, Weather } from "./weather.ts";

export interface StormOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly weather: Weather;
  readonly instances: () => readonly SimInstance[];
  /** An instance is about to end; another one takes its place. */
  readonly onEnd: (instance: SimInstance) => void;
}

const OUTAGES: readonly Outage[] = ["refused", "silent", "deaf"];

export class Storm {
  readonly durationMs: number;
  #lasting = true;

  constructor(private readonly options: StormOptions) {
    this.durationMs = options.random.pick([2_000, 8_000, 20_000]);
  }

  get lasting(): boolean {
    return this.#lasting;
  }

  begin(): void {
    this.repeat(this.options.random.pick([100, 500, 3_000]), () => this.#strike());
  }

  /** Calls `action` from time to time while the storm lasts. */
  repeat(meanMs: number, action: () => void): void {
    const { scheduler, random } = this.options;
    scheduler.after(random.between(0, 2 * meanMs), () => {
      if (!this.#lasting) return;
      action();
      this.repeat(meanMs, action);
    });
  }

  /** No new failures begin, and the current ones end. */
  end(): void {
    this.#lasting = false;
    this.options.weather.clear();
    for (const { kv, process } of this.options.instances()) {
      kv.partition = "none";
      kv.farMs = 0;
      process.resume();
    }
  }

  #strike(): void {
    const { scheduler, random, weather, onEnd } = this.options;
    const running = this.options.instances().filter((instance) => instance.running);
    if (running.length === 0) return;
    const instance = random.pick(running);
    const { process, kv } = instance;
    const lasts = random.pick([50, 500, 3_000, Math.min(12_000, this.durationMs)]) * random.next();
    const outage = random.pick(OUTAGES);
    random.pick([
      () => {
        process.pause();
        scheduler.after(lasts, () => process.resume());
      },
      () => {
        onEnd(instance);
        instance.kill();
      },
      () => {
        onEnd(instance);
        instance.close();
      },
      () => {
        weather.outage = outage;
        scheduler.after(lasts / 3, () => weather.outage = "none");
      },
      () => {
        kv.partition = outage;
        scheduler.after(lasts, () => kv.partition = "none");
      },
      () => process.jumpWall(random.between(-4e6, 4e6)),
    ])();
  }
}
