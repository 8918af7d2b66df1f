/** Builds the parts of the configuration from variables, and reports what does not fit together. */

import type { SectionContext } from "./problem.ts";
import type { Variables } from "./variables.ts";

/** How tokens are checked; one of `secret` and `jwksUrl` is set. */
export interface AuthConfig {
  readonly secret: string | undefined;
  readonly jwksUrl: string | undefined;
  readonly audience: string | undefined;
  readonly issuer: string | undefined;
  readonly clockSkewSeconds: number;
}

export interface WhatsAppConfig {
  readonly url: string;
  readonly token: string;
  /** Numbers by company; `*` is every other company. */
  readonly recipients: Readonly<Record<string, readonly string[]>>;
}

export interface TlsConfig {
  readonly certPath: string;
  readonly keyPath: string;
}

/** Limits for one client, or for all together. */
export interface Limits {
  readonly connectionsPerToken: number | undefined;
  readonly newConnectionsPerSecond: number;
  /** Per WebSocket. */
  readonly commandsPerSecond: number;
  /** Per token, or per address if no tokens are used. */
  readonly postsPerSecond: number;
  readonly bodyBytes: number;
  readonly urlBytes: number;
  readonly headerBytes: number;
  readonly handshakeSeconds: number;
  readonly idleSeconds: number;
  readonly writeSeconds: number;
}

/** What the sections are made from. */
export interface Assembly extends SectionContext {
  readonly vars: Variables;
}

/** Names and addresses of the local machine, as they appear in a URL. */
const LOOPBACK = /^(localhost\.?|127(\.\d+){3}|0\.0\.0\.0|\[::1?\])$/;

export function backendUrl({ vars, problem, isOwnAddress }: Assembly): string | undefined {
  const url = vars.BACKEND_URL;
  if (url !== undefined && isOwnAddress(url)) {
    problem("BACKEND_URL", "is this program's own address: change PORT or BACKEND_URL");
  }
  return url;
}

/** Whether a URL is the address on which the program itself will listen. */
export function isOwnAddress(url: string, { HOST, PORT }: Variables): boolean {
  const { hostname, port, protocol } = new URL(url);
  const isTls = protocol === "https:" || protocol === "wss:";
  const urlPort = Number(port || (isTls ? 443 : 80));
  const isOwn = [HOST.toLowerCase(), `[${HOST.toLowerCase()}]`].includes(hostname);
  return urlPort === PORT && (LOOPBACK.test(hostname) || isOwn);
}

export function whatsapp({ vars, given, problem }: Assembly): WhatsAppConfig | undefined {
  const { WHATSAPP_API_URL: api, WHATSAPP_TOKEN: token } = vars;
  if (api === undefined && token === undefined) return undefined;
  if (!given.has("WHATSAPP_API_URL")) {
    problem("WHATSAPP_API_URL", "is not set, but WHATSAPP_TOKEN is");
  }
  if (token === undefined) problem("WHATSAPP_TOKEN", "is not set, but WHATSAPP_API_URL is");
  return { url: api ?? "", token: token ?? "", recipients: vars.WHATSAPP_RECIPIENTS ?? {} };
}

/** As long as the hash (RFC 7518, 3.2): a short secret can be guessed offline from one token. */
const MIN_SECRET_BYTES = 32;

export function authConfig({ vars, given, problem }: Assembly): AuthConfig | undefined {
  const { AUTH_JWT_SECRET: secret, AUTH_JWKS_URL: jwksUrl } = vars;
  if (!given.has("AUTH_JWT_SECRET") && !given.has("AUTH_JWKS_URL")) {
    for (const name of ["AUTH_AUDIENCE", "AUTH_ISSUER"] as const) {
      if (vars[name] === undefined) continue;
      // Whoever sets these expects that tokens are required.
      problem(name, "is set, but neither AUTH_JWT_SECRET nor AUTH_JWKS_URL is");
    }
    return undefined;
  }
  if (secret !== undefined && jwksUrl !== undefined) {
    problem("AUTH_JWKS_URL", "and AUTH_JWT_SECRET are both set: use only one");
  } else if (secret !== undefined && new TextEncoder().encode(secret).length < MIN_SECRET_BYTES) {
    problem(
      "AUTH_JWT_SECRET",
      `must have at least ${MIN_SECRET_BYTES} bytes: make one with openssl rand -base64 32`,
    );
  }
  return {
    secret,
    jwksUrl,
    audience: vars.AUTH_AUDIENCE,
    issuer: vars.AUTH_ISSUER,
    clockSkewSeconds: vars.AUTH_CLOCK_SKEW_SECONDS,
  };
}

export function tlsConfig({ vars, problem }: Assembly): TlsConfig | undefined {
  const { TLS_CERT_PATH: certPath, TLS_KEY_PATH: keyPath } = vars;
  if (certPath === undefined && keyPath === undefined) return undefined;
  if (certPath === undefined) problem("TLS_CERT_PATH", "is not set, but TLS_KEY_PATH is");
  if (keyPath === undefined) problem("TLS_KEY_PATH", "is not set, but TLS_CERT_PATH is");
  return certPath === undefined || keyPath === undefined ? undefined : { certPath, keyPath };
}

export function threads({ vars, problem }: Assembly): number {
  if (vars.WEB_CONCURRENCY > 1 && vars.DENO_KV_URL === "memory:") {
    problem("WEB_CONCURRENCY", "needs a store for all threads: DENO_KV_URL must not be memory:");
  }
  return vars.WEB_CONCURRENCY;
}

export function limits({ vars }: Assembly): Limits {
  return {
    connectionsPerToken: vars.MAX_CONNECTIONS_PER_TOKEN,
    newConnectionsPerSecond: vars.MAX_NEW_CONNECTIONS_PER_SECOND,
    commandsPerSecond: vars.MAX_COMMANDS_PER_SECOND,
    postsPerSecond: vars.MAX_POSTS_PER_SECOND,
    bodyBytes: vars.MAX_BODY_BYTES,
    urlBytes: vars.MAX_URL_BYTES,
    headerBytes: vars.MAX_HEADER_BYTES,
    handshakeSeconds: vars.CONNECTION_HANDSHAKE_SECONDS,
    idleSeconds: vars.CONNECTION_IDLE_SECONDS,
    writeSeconds: vars.CONNECTION_WRITE_SECONDS,
  };
}
