/** The listening socket. */

import type { Config } from "./config.ts";
import { getLogger } from "./log.ts";

const log = getLogger("http");

/** The program cannot listen; the message names the variable that is to be changed. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

/** @throws {ListenError} where the machine, or what else runs on it, does not let it. */
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
    if (error instanceof ListenError) throw error;
    throw new ListenError(reasonOf(error, { host, port }), { cause: error });
  }
}

function reasonOf(error: unknown, { host, port }: { host: string; port: number }): string {
  if (error instanceof Deno.errors.AddrInUse) {
    return `PORT ${port} is taken on ${host}: stop what uses it, or set PORT`;
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return `PORT ${port} may not be listened on: set PORT to one above 1023`;
  }
  return `HOST ${host} is no address of this machine: set HOST`;
}

function certificateOf(tls: Config["tls"]): { cert?: string; key?: string } {
  if (!tls) return {};
  const read = (name: string, path: string) => {
    try {
      return Deno.readTextFileSync(path);
    } catch {
      throw new ListenError(`${name} cannot be read: check the path and its rights`);
    }
  };
  return { cert: read("TLS_CERT_PATH", tls.certPath), key: read("TLS_KEY_PATH", tls.keyPath) };
}
