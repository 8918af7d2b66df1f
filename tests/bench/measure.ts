/** The measurements of one target. */

import type { Mosquitto } from "../kit/mosquitto.ts";
import { Load, type StepResult } from "./load.ts";
import { quiet, withNoise } from "./noise.ts";
import { startTarget, type TargetName } from "./target.ts";

export type Transport = "ws" | "sse";

/** Who watches what: the two ends of what fleets look like. */
export interface Shape {
  readonly name: string;
  readonly clients: number;
  readonly devices: number;
  readonly each: number;
  /** Messages a second that the search for the greatest rate begins with. */
  readonly firstRate: number;
}

export interface Measurement {
  readonly target: TargetName;
  readonly what: string;
  readonly unit: string;
  readonly value: number;
  /** Less is better, as for latency and memory. */
  readonly lessIsBetter: boolean;
  readonly steps: readonly MeasuredStep[];
}

/** A rate counts where everything arrives, in order, and 99 of 100 within this. */
const MAX_P99_MS = 100;
const GROWTH = 1.6;
const BISECTIONS = 3;
/** A step that failed while others used more than this part of a core is tried again. */
const MAX_NOISE = 0.4;
const MAX_TRIES = 4;
const QUIET_MS = 15_000;

type MeasuredStep = StepResult & { readonly rate: number; readonly noise: number };

export class Bench {
  readonly measurements: Measurement[] = [];

  constructor(
    private readonly broker: Mosquitto,
    private readonly options: { seconds: number; onResult: (measurement: Measurement) => void },
  ) {}

  /** Deliveries a second at the greatest rate that a new target keeps up with. */
  async throughput(target: TargetName, transport: Transport, shape: Shape): Promise<void> {
    await using load = await this.#load(target, transport, shape);
    const steps: MeasuredStep[] = [];
    const passes = async (rate: number) => {
      for (let tries = 0; tries < MAX_TRIES; tries++) {
        await quiet(MAX_NOISE, QUIET_MS);
        const step = await load.step(rate, this.options.seconds);
        steps.push(step);
        if (keptUp(step)) return true;
        if (step.closed > 0 || (step.noise < MAX_NOISE && tries > 0)) return false;
      }
      return false;
    };
    await load.step(shape.firstRate / 2, 1);
    let good = 0;
    let bad = shape.firstRate;
    while (bad < 1e6 && await passes(bad)) {
      good = bad;
      bad *= GROWTH;
    }
    for (let i = 0; i < BISECTIONS; i++) {
      const middle = (good + bad) / 2;
      if (await passes(middle)) good = middle;
      else bad = middle;
    }
    const best = Math.max(0, ...steps.filter(keptUp).map((step) => step.perSecond));
    this.#add({
      target,
      what: `${shape.name}, ${transport}`,
      unit: "deliveries/s",
      value: Math.round(best),
      lessIsBetter: false,
      steps,
    });
  }

  /** Median and 99th percentile from publish to arrival, at one rate. */
  async latency(
    target: TargetName,
    transport: Transport,
    { shape, rate, seconds }: { shape: Shape; rate: number; seconds: number },
  ): Promise<StepResult> {
    await using load = await this.#load(target, transport, shape);
    await load.step(rate, 1);
    if (seconds > 2) await quiet(MAX_NOISE, QUIET_MS);
    const result = await load.step(rate, seconds);
    const what = `${shape.name} at ${rate} msg/s, ${transport}`;
    for (const quantile of ["p50", "p99"] as const) {
      this.#add({
        target,
        what: `${what}, ${quantile}`,
        unit: "ms",
        value: result[quantile],
        lessIsBetter: true,
        steps: [result],
      });
    }
    return result;
  }

  /** Memory of the target for one connection without messages. */
  async idleMemory(target: TargetName, transport: Transport, clients: number): Promise<void> {
    await using started = await startTarget(target, this.broker);
    const open = async (clients: number) => {
      const load = await Load.open({
        transport,
        port: started.port,
        broker: this.broker,
        clients,
        devices: clients,
        each: 1,
      });
      await settle();
      return { load, bytes: await started.process.residentBytes() };
    };
    // What the first connections load and compile is no cost of a connection.
    await using first = (await open(50)).load;
    void first;
    const before = await started.process.residentBytes();
    const { load, bytes } = await open(clients);
    await load[Symbol.asyncDispose]();
    this.#add({
      target,
      what: `memory of an idle connection, ${clients} of them, ${transport}`,
      unit: "KB",
      value: Math.round((bytes - before) / clients / 102.4) / 10,
      lessIsBetter: true,
      steps: [],
    });
  }

  async #load(target: TargetName, transport: Transport, shape: Shape) {
    const started = await startTarget(target, this.broker);
    try {
      const { clients, devices, each } = shape;
      const load = await Load.open({
        transport,
        port: started.port,
        broker: this.broker,
        clients,
        devices,
        each,
      });
      await settle();
      return {
        step: async (rate: number, seconds: number): Promise<MeasuredStep> => {
          const pids = [started.process.pid, load.pid, this.broker.process.pid];
          const work = () => load.step({ rate, seconds, drainSeconds: 3 });
          const { result, noise } = await withNoise(pids, work);
          return { ...result, rate, noise };
        },
        async [Symbol.asyncDispose]() {
          await load[Symbol.asyncDispose]();
          await started[Symbol.asyncDispose]();
        },
      };
    } catch (error) {
      await started[Symbol.asyncDispose]();
      throw error;
    }
  }

  #add(measurement: Measurement): void {
    this.measurements.push(measurement);
    this.options.onResult(measurement);
  }
}

export function faultless(result: StepResult): boolean {
  return result.lost === 0 && result.repeated === 0 && result.reordered === 0 &&
    result.closed === 0;
}

function keptUp(step: MeasuredStep): boolean {
  return faultless(step) && step.p99 < MAX_P99_MS && step.achieved > 0.97 * step.rate;
}

/** Lets what the connections have started come to rest. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 1_000));
