/** Messages between the program and the thread that guards its connections. */

export interface GuardLimits {
  /** Connections at once, including TLS handshakes. */
  readonly maxSockets: number;
  /** Per address; no limit unless given. */
  readonly maxSocketsPerAddress: number | undefined;
  /** From the connection to the first byte of an answer: TLS handshake and request included. */
  readonly handshakeMs: number;
  /** Maximum time without a byte from the server; streams always send something sooner. */
  readonly idleMs: number;
  /** Maximum time in which the client reads nothing of what waits for it. */
  readonly writeMs: number;
  /** Bytes that all clients together may have sent and the program has not read. */
  readonly maxUnreadBytes: number;
}

export interface KeyPair {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

export interface GuardStart {
  readonly type: "start";
  readonly hostname: string;
  readonly port: number;
  /** Several threads listen on the same port. */
  readonly shared: boolean;
  /** Undefined: connections are not encrypted. */
  readonly tls: KeyPair | undefined;
  /** The program's port on loopback. */
  readonly backendPort: number;
  readonly peers: SharedArrayBuffer;
  readonly limits: GuardLimits;
}

export type ToGuard =
  | GuardStart
  | { readonly type: "certificate"; readonly tls: KeyPair }
  | { readonly type: "stop" };

/** Why a connection was closed. */
export type Refusal =
  | "too_many_sockets"
  | "handshake_timeout"
  | "idle_timeout"
  | "not_read"
  | "flood";

export type FromGuard =
  | { readonly type: "loaded" }
  | { readonly type: "listening"; readonly port: number }
  /** It could not listen; `error` is the system's code. */
  | { readonly type: "failed"; readonly error: string }
  /** An uncaught error, as {@linkcode Fault} formats it. */
  | { readonly type: "crashed"; readonly fault: string }
  | { readonly type: "changed"; readonly ok: boolean }
  /** Connections that were closed for the same reason. */
  | { readonly type: "closed"; readonly reason: Refusal; readonly count: number }
  /** No file descriptor was left for a connection; the guard listens again. */
  | { readonly type: "ran_out" }
  | { readonly type: "stopped" };
