/** Free TCP ports for servers that cannot choose one themselves. */

const given = new Set<number>();

/** Below the ephemeral port range, so that no outgoing connection takes the port in between. */
const FIRST = 10_000;
const LAST = 32_000;

/** An unused port on 127.0.0.1; this process never returns the same one twice. */
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

/** Whether a port on 127.0.0.1 accepts TCP connections. */
export async function isListening(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}
