/** The listening socket. */

import type { Config } from "./config.ts";
import { getLogger } from "./log.ts";

const log = getLogger("http");

/** @throws {Deno.errors.AddrInUse} where the port is taken. */
export function listen(
  { host, port, tls, auth }: Config,
  fetch: (request: Request, info: Deno.ServeHandlerInfo) => Response | Promise<Response>,
  /** Several threads listen on the same port. */
  { shared = false }: { shared?: boolean } = {},
): Deno.HttpServer {
  try {
    return Deno.serve({
      hostname: host,
      port,
      reusePort: shared,
      ...certificateOf(tls),
      onListen: ({ hostname, port }) => {
        const scheme = tls ? "https" : "http";
        log.info("listening on {scheme}://{hostname}:{port}", { scheme, hostname, port });
        if (!auth && hostname !== "127.0.0.1" && hostname !== "::1" && hostname !== "localhost") {
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

function certificateOf(tls: Config["tls"]): { cert?: string; key?: string } {
  if (!tls) return {};
  const read = (name: string, path: string) => {
    try {
      return Deno.readTextFileSync(path);
    } catch {
      throw new Deno.errors.NotFound(`${name} cannot be read: check the path and its rights`);
    }
  };
  return { cert: read("TLS_CERT_PATH", tls.certPath), key: read("TLS_KEY_PATH", tls.keyPath) };
}
