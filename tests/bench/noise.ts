/** CPU use of other processes, which can make a step fail through no fault of the target. */

/** Busy time since boot, of all cores, in hundredths of a second. */
async function busyTicks(): Promise<number> {
  const [line] = (await Deno.readTextFile("/proc/stat")).split("\n");
  const [, user, nice, system, _idle, _wait, irq, softIrq] = line!.split(/\s+/).map(Number);
  return user! + nice! + system! + irq! + softIrq!;
}

/** CPU time of a process with all its threads, in microseconds. */
export async function cpuMicros(pid: number): Promise<number> {
  return await processTicks(pid) * 10_000;
}

/** CPU time of a process, in hundredths of a second. */
export async function processTicks(pid: number): Promise<number> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => "");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ").map(Number);
  return (fields[11] ?? 0) + (fields[12] ?? 0);
}

/** Runs `work`; also returns the fraction of one core that processes other than `pids` used. */
export async function withNoise<T>(
  pids: readonly number[],
  work: () => Promise<T>,
): Promise<{ result: T; noise: number }> {
  const sum = async () =>
    (await Promise.all([Deno.pid, ...pids].map(processTicks))).reduce((a, b) => a + b, 0);
  const [busy, own, start] = [await busyTicks(), await sum(), performance.now()];
  const result = await work();
  const seconds = (performance.now() - start) / 1000;
  const noise = (await busyTicks() - busy - (await sum() - own)) / 100 / seconds;
  return { result, noise: Math.max(0, noise) };
}

/** Waits until others use less than `limit` of a core for a second, but at most `atMostMs`. */
export async function quiet(limit: number, atMostMs: number): Promise<void> {
  const deadline = performance.now() + atMostMs;
  const second = () => new Promise((resolve) => setTimeout(resolve, 1000));
  while (performance.now() < deadline) {
    const { noise } = await withNoise([], second);
    if (noise < limit) return;
  }
}
