/** The listening socket. */

import type { Config } from "./config.ts";
import { getLogger } from "./log.ts";

const log = getLogger("http");

/** @throws {Deno.errors.AddrInUse} where the port is taken. */
export function listen(
  { host, port }: Config,
  fetch: (request: Request, info: Deno.ServeHandlerInfo) => Response | Promise<Response>,
): Deno.HttpServer {
  try {
    return Deno.serve({
      hostname: host,
      port,
      onListen: ({ hostname, port }) => {
        log.info("listening on http://{hostname}:{port}", { hostname, port });
        if (hostname !== "127.0.0.1" && hostname !== "::1" && hostname !== "localhost") {
          log.warning("open to everyone who reaches {hostname}: no token is asked for", {
            hostname,
          });
        }
      },
      onError: (error) => {
        log.error("a request failed: {error}", { error });
        return new Response(null, { status: 500 });
      },
    }, fetch);
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    throw new Deno.errors.AddrInUse(
      `PORT ${port} is taken on ${host}: stop what uses it, or set PORT`,
    );
  }
}
