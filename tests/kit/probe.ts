/**
 * Preloaded into the program (`deno run --preload`): every few seconds it prints internal measures,
 * and on SIGUSR2 it silently terminates the program's newest worker.
 */

const EVERY_MS = 5_000;
const TICK_MS = 50;

export interface Sample {
  /** How late timers fired since the previous sample. */
  readonly delayP99Ms: number;
  readonly delayMaxMs: number;
  /** Timers of the main thread that have neither fired nor been cleared. */
  readonly timers: number;
  readonly intervals: number;
  readonly workers: number;
  readonly heapUsed: number;
}

const timers = new Set<unknown>();
const intervals = new Set<unknown>();
const workers: Worker[] = [];
const real = { setTimeout, clearTimeout, setInterval, clearInterval, Worker };

function countTimers(): void {
  // deno-lint-ignore no-explicit-any -- the signatures of timers differ between runtimes
  const global = globalThis as any;
  global.setTimeout = (fire: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) => {
    const id = real.setTimeout(() => {
      timers.delete(id);
      fire(...args);
    }, ms);
    timers.add(id);
    return id;
  };
  global.setInterval = (...args: Parameters<typeof setInterval>) => {
    const id = real.setInterval(...args);
    intervals.add(id);
    return id;
  };
  global.clearTimeout = global.clearInterval = (id: number) => {
    timers.delete(id);
    intervals.delete(id);
    real.clearTimeout(id);
  };
  global.Worker = class extends real.Worker {
    constructor(...args: ConstructorParameters<typeof Worker>) {
      super(...args);
      workers.push(this);
    }
    override terminate(): void {
      const at = workers.indexOf(this);
      if (at >= 0) workers.splice(at, 1);
      super.terminate();
    }
  };
}

function report(): void {
  let delays: number[] = [];
  let last = performance.now();
  const tick = real.setInterval(() => {
    const now = performance.now();
    delays.push(Math.max(0, now - last - TICK_MS));
    last = now;
  }, TICK_MS);
  const every = real.setInterval(() => {
    const sorted = delays.sort((a, b) => a - b);
    delays = [];
    const sample: Sample = {
      delayP99Ms: Math.round(sorted[Math.floor(sorted.length * 0.99)] ?? 0),
      delayMaxMs: Math.round(sorted.at(-1) ?? 0),
      timers: timers.size,
      intervals: intervals.size,
      workers: workers.length,
      heapUsed: Deno.memoryUsage().heapUsed,
    };
    Deno.stdout.writeSync(new TextEncoder().encode(`probe ${JSON.stringify(sample)}\n`));
  }, EVERY_MS);
  // The program starts only when the preload leaves no active timer.
  Deno.unrefTimer(tick);
  Deno.unrefTimer(every);
}

if (!("importScripts" in globalThis)) {
  countTimers();
  report();
  Deno.addSignalListener("SIGUSR2", () => workers.at(-1)?.terminate());
}
