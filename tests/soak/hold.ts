/** Measures how long a piece of work blocks its thread, which serves no other client meanwhile. */

export interface Held {
  /** The longest turn of the event loop, in ms: the minimum of several runs, which is the one that
   * other load on the machine disturbs least. */
  readonly bestMs: number;
  readonly medianMs: number;
}

/** Runs `work` several times after a warm-up. */
export async function measureHold(
  work: () => unknown,
  { warmUps = 5, runs = 15 }: { warmUps?: number; runs?: number } = {},
): Promise<Held> {
  const held: number[] = [];
  for (let i = 0; i < warmUps + runs; i++) {
    const ms = await longestTurn(work);
    if (i >= warmUps) held.push(ms);
  }
  held.sort((a, b) => a - b);
  return { bestMs: held[0]!, medianMs: held[held.length >> 1]! };
}

/** The longest time between two turns of the event loop while `work` runs; it may be async. */
async function longestTurn(work: () => unknown): Promise<number> {
  const { port1, port2 } = new MessageChannel();
  let longest = 0;
  let endedAt = 0;
  const turned = () => new Promise((resolve) => port1.onmessage = resolve);
  const next = () => {
    const turn = turned();
    port2.postMessage(0);
    return turn;
  };
  await next();
  let running = true;
  const watch = (async () => {
    endedAt = performance.now();
    while (running) {
      await next();
      longest = Math.max(longest, performance.now() - endedAt);
      endedAt = performance.now();
    }
  })();
  try {
    await work();
  } finally {
    running = false;
    await watch;
    port1.close();
    port2.close();
  }
  return longest;
}
