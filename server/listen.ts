/** The listening socket. */

import { logFault } from "../telemetry/fault.ts";
import type { Config } from "../config/config.ts";
import { CertificateWatch, readKeyPair } from "./guard/certificate_watch.ts";
import { Guard, GuardError } from "./guard/guard.ts";
import { getLogger } from "../telemetry/log.ts";
import { problem } from "../routes/http/problem.ts";
import { UNREAD_STREAM } from "../routes/streams/stream_body.ts";
import { type Handler, StreamServer, type StreamServerOptions } from "./stream_server.ts";

const log = getLogger("http");
/** Sockets besides streams, for short requests: pages, health, publishing. */
const SPARE_SOCKETS = 1_000;
/** Sockets in handshakes, and those for which the server closes others. */
const SPARE_SOCKETS_OF_GUARD = 1_000;
/** Sockets per address for what a browser loads besides its streams. */
const SPARE_SOCKETS_PER_ADDRESS = 100;
/** Unread bytes beyond the largest body, of all clients behind the guard together. */
const SPARE_UNREAD_BYTES = 16_777_216;
/** Method and version in the request line, and line ends. */
const SPARE_HEAD_BYTES = 4_096;
/** How late a ping may be: a live stream has sent one by then. */
const PING_GRACE_SECONDS = 15;

/** The program cannot listen; the message names the variable to change. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

export interface Listening {
  /** The port that clients connect to: the configured one, or the system's choice if that is 0. */
  readonly port: number;
  /** Accepts no new connections, and resolves when all open ones have ended. */
  shutdown(): Promise<void>;
}

/** @throws {ListenError} if the machine, or another program on it, does not allow it. */
export async function listen(
  config: Config,
  fetch: Handler,
  /** Several threads listen on the same port. */
  { shared = false }: { shared?: boolean } = {},
): Promise<Listening> {
  const { host, port, tls, connectionGuard } = config;
  try {
    if (tls || connectionGuard) return await guarded(config, fetch, shared);
    const server = serve(config, fetch, { hostname: host, port, reusePort: shared });
    const { port: own } = server.addr;
    announce(config, own);
    return { port: own, shutdown: () => server.shutdown() };
  } catch (error) {
    throw new ListenError(reasonOf(error, config), { cause: error });
  }
}

function serve(
  config: Config,
  fetch: Handler,
  where: Pick<StreamServerOptions, "hostname" | "port" | "reusePort" | "peer">,
): StreamServer {
  const { limits, maxConnections } = config;
  return new StreamServer({
    ...where,
    onError: requestFailed,
    limits: {
      headMs: limits.handshakeSeconds * 1000,
      idleMs: idleMsOf(config),
      writeMs: limits.writeSeconds * 1000,
      maxHeadBytes: limits.urlBytes + limits.headerBytes + SPARE_HEAD_BYTES,
      maxSockets: maxConnections + SPARE_SOCKETS,
      maxSocketsPerAddress: where.peer ? undefined : maxSocketsPerAddress(config),
    },
  }, fetch);
}

function maxSocketsPerAddress({ maxConnectionsPerIp, trustProxy }: Config): number | undefined {
  // All clients of a proxy have its address.
  if (maxConnectionsPerIp === undefined || trustProxy) return undefined;
  return maxConnectionsPerIp + SPARE_SOCKETS_PER_ADDRESS;
}

/** How long a connection may be silent: a live stream sends a ping sooner. */
export function idleMsOf({ limits, keepaliveSeconds }: Config): number {
  return Math.max(limits.idleSeconds, keepaliveSeconds + PING_GRACE_SECONDS) * 1000;
}

/** Answers errors that the routes did not handle. */
export function requestFailed(error: unknown): Response {
  // The sink has already closed and counted this stream, whose client does not read.
  if (error !== UNREAD_STREAM) logFault("a request failed", error);
  return problem({
    status: 500,
    code: "internal_error",
    detail: "The request failed; see the server's log",
  });
}

/** Clients connect to the guard, and the guard to the program. */
async function guarded(
  config: Config,
  fetch: Handler,
  shared: boolean,
): Promise<Listening> {
  const { limits } = config;
  let guard: Guard | undefined;
  const peer = (port: number) => guard?.peer(port);
  const server = serve(config, fetch, { hostname: "127.0.0.1", port: 0, peer });
  const tls = config.tls && readKeyPair(config.tls);
  try {
    guard = await Guard.start({
      hostname: config.host,
      port: config.port,
      shared,
      tls,
      backendPort: server.addr.port,
      limits: {
        maxSockets: config.maxConnections + SPARE_SOCKETS + SPARE_SOCKETS_OF_GUARD,
        maxSocketsPerAddress: maxSocketsPerAddress(config),
        handshakeMs: limits.handshakeSeconds * 1000,
        idleMs: idleMsOf(config),
        writeMs: limits.writeSeconds * 1000,
        maxUnreadBytes: limits.bodyBytes + SPARE_UNREAD_BYTES,
      },
    });
  } catch (error) {
    await server.shutdown();
    throw error;
  }
  announce(config, guard.port);
  const watch = tls && config.tls &&
    new CertificateWatch(config.tls, {
      used: tls,
      onChange: (changed) => guard.change(changed),
      onProblem: (name, message) =>
        log.error("{name} {message}: the previous certificate stays in use", { name, message }),
    });
  return {
    port: guard.port,
    async shutdown() {
      watch?.[Symbol.dispose]();
      // The last bytes for clients still pass through the guard.
      await server.shutdown();
      await guard.stop();
    },
  };
}

function announce({ host, tls, auth }: Config, port: number): void {
  log.info("listening on {scheme}://{host}:{port}", { scheme: tls ? "https" : "http", host, port });
  if (!auth && host !== "127.0.0.1" && host !== "::1" && host !== "localhost") {
    log.warning("open to everyone who can reach {host}: no token is required", { host });
  }
}

function reasonOf(error: unknown, { host, port, tls }: Config): string {
  const is = (name: string, code: string) =>
    error instanceof GuardError
      ? error.code === code
      : error instanceof Error && error.name === name;
  if (is("AddrInUse", "EADDRINUSE")) {
    return `PORT ${port} is taken on ${host}: stop the program that uses it, or set PORT`;
  }
  if (is("PermissionDenied", "EACCES")) {
    return `PORT ${port} is not permitted: set PORT to one above 1023`;
  }
  if (tls && !is("AddrNotAvailable", "EADDRNOTAVAIL") && !is("Error", "ENOTFOUND")) {
    return "TLS_CERT_PATH and TLS_KEY_PATH cannot be used: check that they are PEM files";
  }
  return `HOST ${host} is not an address of this machine: set HOST`;
}
