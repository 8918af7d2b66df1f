/** Deliveries a second at the highest rate that a target sustains; latencies below that rate. */

import type { Mosquitto } from "../kit/servers/mosquitto.ts";
import { Load, type StepResult } from "./load.ts";
import { cpuMicros, withNoise } from "./noise.ts";
import type { Results } from "./results.ts";
import { startTarget, type TargetName } from "./target.ts";

/** Which clients watch which devices: the extremes, and the middle, of realistic fleets. */
export interface Shape {
  readonly name: string;
  readonly transport: "ws" | "sse";
  readonly clients: number;
  readonly devices: number;
  /** How many devices each client asks for. */
  readonly each: number;
  /** Messages a second that every target sustains. */
  readonly lowRate: number;
  readonly query?: string;
  /** Variables for Telecast. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface Step extends StepResult {
  readonly rate: number;
  /** Fraction of a core used by processes other than the target, the load and the broker. */
  readonly noise: number;
  /** Cores that the target used. */
  readonly cores: number;
}

/** A target sustains a rate if everything arrives in order, and 99 of 100 within this time. */
const MAX_P99_MS = 100;
const MAX_RATE = 400_000;
const STEP_SECONDS = 1.5;
const DRAIN_SECONDS = 3;
const GROWTH = 1.5;
/** The search ends when the bounds of the highest rate are within this factor. */
const EXACT = 1.05;
/** A step that failed while others used more than this fraction of a core is retried. */
const MAX_NOISE = 0.4;
/** So is a step with a lower median: the machine paused, the target was not too slow. */
const PAUSED_P50_MS = 25;
const MAX_TRIES = 3;

export class Throughput {
  /** Rates that targets sustained, where the next round starts. */
  readonly #known = new Map<string, number>();

  constructor(private readonly broker: Mosquitto, private readonly results: Results) {}

  /** Runs one round, with a new process. */
  async measure(target: TargetName, shape: Shape): Promise<void> {
    await using run = await this.open(target, shape);
    const name = `${target} ${shape.name}`;
    let best: Step | undefined;
    const passes = async (rate: number): Promise<boolean> => {
      for (let tries = 1;; tries++) {
        const step = await run.step(rate, STEP_SECONDS);
        if (keptUp(step)) {
          if (!best || step.perSecond > best.perSecond) best = step;
          return true;
        }
        const paused = faultless(step) && step.p50 < PAUSED_P50_MS;
        const disturbed = step.noise >= MAX_NOISE || paused;
        if (!disturbed || tries === MAX_TRIES || step.closed > 0) return false;
      }
    };
    const warm = await run.step(shape.lowRate, 1);
    let rate = this.#known.get(name) ??
      shape.lowRate * Math.max(1, 0.5 / Math.max(0.02, warm.cores));
    let good = 0;
    let bad = MAX_RATE;
    while (bad / good > EXACT && rate < MAX_RATE && rate > 1) {
      if (await passes(rate)) good = rate;
      else bad = rate;
      rate = good === 0
        ? bad / GROWTH
        : bad === MAX_RATE
        ? good * (this.#known.has(name) ? 1.15 : GROWTH)
        : (good + bad) / 2;
    }
    this.#known.set(name, good);
    this.results.add({
      target,
      what: shape.name,
      unit: "deliveries/s",
      value: Math.round(best?.perSecond ?? 0),
    });
    if (!best) return;
    this.results.add({
      target,
      what: `${shape.name}, processor`,
      unit: "µs a delivery",
      value: best.cores * 1e6 / best.perSecond,
      lessIsBetter: true,
    });
  }

  /** Median and 99th percentile from publish to arrival, at fractions of the highest rate. */
  async latency(shape: Shape, parts: readonly number[]): Promise<void> {
    const name = `telecast ${shape.name}`;
    if (!this.#known.has(name)) await this.measure("telecast", shape);
    const greatest = this.#known.get(name)!;
    await using run = await this.open("telecast", shape);
    await run.step(greatest * parts[0]!, 1);
    for (const part of parts) {
      const step = await run.step(greatest * part, 3);
      const what = `${shape.name} at ${part * 100} %`;
      for (const quantile of ["p50", "p99"] as const) {
        this.results.add({
          target: "telecast",
          what: `${what}, ${quantile}`,
          unit: "ms",
          value: step[quantile],
          lessIsBetter: true,
        });
      }
      if (!faultless(step)) this.results.faults.push(`${what}: ${faultsOf(step)}`);
    }
  }

  async open(target: TargetName, shape: Shape) {
    const started = await startTarget(target, this.broker, shape.env);
    const stack = new AsyncDisposableStack();
    stack.use(started);
    try {
      const load = stack.use(
        await Load.open({ ...shape, port: started.port, broker: this.broker }),
      );
      await settle();
      return {
        step: async (rate: number, seconds: number): Promise<Step> => {
          const { pid } = started.process;
          const pids = [pid, load.pid, this.broker.process.pid];
          const [before, start] = [await cpuMicros(pid), performance.now()];
          const step = { rate, seconds, drainSeconds: DRAIN_SECONDS };
          const { result, noise } = await withNoise(pids, () => load.step(step));
          const cores = (await cpuMicros(pid) - before) / (performance.now() - start) / 1000;
          return { ...result, rate, noise, cores };
        },
        [Symbol.asyncDispose]: () => stack.disposeAsync(),
      };
    } catch (error) {
      await stack.disposeAsync();
      throw error;
    }
  }
}

export function faultless(result: StepResult): boolean {
  return result.lost === 0 && result.repeated === 0 && result.reordered === 0 &&
    result.closed === 0;
}

export function faultsOf({ lost, repeated, reordered, closed }: StepResult): string {
  return `lost ${lost}, repeated ${repeated}, reordered ${reordered}, closed ${closed}`;
}

function keptUp(step: Step): boolean {
  return faultless(step) && step.p99 < MAX_P99_MS && step.achieved > 0.97 * step.rate;
}

/** Waits until the work caused by new connections has settled. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 500));
