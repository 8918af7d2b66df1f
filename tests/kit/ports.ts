/** Free TCP ports for servers that cannot choose one themselves. */

const given = new Set<number>();

/** Below the range of outgoing connections, so that no client takes the port in between. */
const FIRST = 10_000;
const LAST = 32_000;

/** A port of 127.0.0.1 that nothing listens on, never given twice by this process. */
export function freePort(): number {
  for (let tries = 0; tries < 1000; tries++) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (given.has(port)) continue;
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
    } catch (error) {
      if (error instanceof Deno.errors.AddrInUse) continue;
      throw error;
    }
    given.add(port);
    return port;
  }
  throw new Error(`Cannot find a free port from ${FIRST} to ${LAST}`);
}

/** Whether something accepts TCP connections on a port of 127.0.0.1. */
export async function isListening(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}
