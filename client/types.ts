// This file contains only types, so that it can be served unchanged as the library's declarations.

/** How to open a {@linkcode Telecast}. */
export interface TelecastOptions {
  /**
   * Device ids: a list, or text separated by commas. An entry of a list may contain commas. `"*"`
   * is every device that the token grants; an entry that ends in `*`, such as `"0848*"`, is a
   * prefix. May be empty: then nothing is opened before the first `subscribe()`.
   */
  readonly deviceIds: string | readonly string[];
  /** A bearer token, or a function that returns one before each connection. */
  readonly token?: string | TokenSource | undefined;
  /**
   * Default `"auto"`: WebSocket if it is available and gets through, otherwise Server-Sent Events.
   */
  readonly transport?: "auto" | Transport | undefined;
  /** A cursor from an earlier run: first all stored messages after it, then live ones. */
  readonly since?: string | undefined;
  /** Requests the last known message of each device first; once, not at each reconnect. */
  readonly snapshot?: boolean | undefined;
  /** Requests `presence` events too. */
  readonly presence?: boolean | undefined;
  /**
   * `"latest"`: if this client falls behind, only the newest message of each device is sent. Slow
   * readers of its iterators get the newest ones, too.
   */
  readonly mode?: "latest" | undefined;
  /**
   * For `mode: "latest"`: the device id of a payload, if it is not in `data.DEVICE_ID`, `device_id`
   * or `empresa`.
   */
  readonly deviceIdOf?: ((data: never) => unknown) | undefined;
  /** At most this many messages a second for each device; implies `mode: "latest"`. */
  readonly maxRate?: number | undefined;
  /** Puts the messages of this many milliseconds (1 to 1,000) into one frame; WebSocket only. */
  readonly batchMs?: number | undefined;
  /** Messages that one iterator holds for a slow reader, default 10,000; see `for await`. */
  readonly bufferSize?: number | undefined;
  /**
   * Before a reconnect the client waits a random time from zero to `baseMs` (500); each failure
   * doubles the limit, up to `maxMs` (30,000).
   */
  readonly backoff?: { readonly baseMs: number; readonly maxMs: number } | undefined;
  /**
   * A connection on which nothing arrives for this long is given up, default 45,000. The server
   * sends something every 20 s, or answers a ping.
   */
  readonly deadAfterMs?: number | undefined;
  /** Closes the client when it aborts. */
  readonly signal?: AbortSignal | undefined;
  /**
   * A WebSocket class if there is no global one (Node 20), for example that of the package `ws`.
   */
  readonly WebSocket?: WebSocketClass | undefined;
  /** Used instead of the global `fetch`. */
  readonly fetch?: typeof fetch | undefined;
  /** Used instead of `Math.random`. */
  readonly random?: (() => number) | undefined;
}

export type Transport = "ws" | "sse";

/**
 * Returns the token for a connection, or none. `unauthorized` is true if the server has just
 * answered 401 to the previous one. A promise may take as long as a person needs to sign in.
 */
export type TokenSource = (
  context: { readonly unauthorized: boolean },
) => string | undefined | Promise<string | undefined>;

/** What the client needs from a WebSocket class. */
export type WebSocketClass = new (url: string, protocols?: string | string[]) => {
  readonly readyState: number;
  onopen: ((event: never) => unknown) | null;
  onmessage: ((event: never) => unknown) | null;
  onclose: ((event: never) => unknown) | null;
  onerror: ((event: never) => unknown) | null;
  send(data: string): void;
  close(code?: number, reason?: string): void;
};

/** One message of one device. */
export interface TelecastMessage<T = unknown> {
  /** `"snapshot"`: the last message from before this stream began. */
  readonly type: "message" | "snapshot";
  /** The payload as the device sent it. */
  readonly data: T;
  /** The cursor of this position, if it has one. */
  readonly id: string | undefined;
}

export type TelecastState =
  /** No device is subscribed to. */
  | { readonly state: "idle" }
  | { readonly state: "connecting"; readonly transport: Transport; readonly attempt: number }
  | { readonly state: "open"; readonly transport: Transport }
  /** The connection is gone; the next attempt starts in `retryInMs`. */
  | { readonly state: "waiting"; readonly retryInMs: number; readonly reason: string }
  /** Closed for good: by `close()`, or by an error that a retry cannot fix. */
  | { readonly state: "closed"; readonly reason: string };

/** The events that `on()` can listen to. */
export interface TelecastEvents<T = unknown> {
  message: TelecastMessage<T>;
  snapshot: TelecastMessage<T>;
  presence: { readonly deviceId: string; readonly state: "online" | "stale" };
  /** The server dropped `count` messages of a device, because this client was too slow. */
  dropped: { readonly deviceId: string; readonly count: number };
  /**
   * The outcome of a resume: `full` = nothing is missing, `partial` = a part is no longer stored,
   * `none` = the cursor is unknown, and nothing was replayed.
   */
  resumed: { readonly status: "full" | "partial" | "none"; readonly replayed: number };
  /** The server asks the client to reconnect in `reconnectMs`, which it does by itself. */
  goodbye: { readonly reason: string; readonly reconnectMs: number };
  error: TelecastError;
  state: TelecastState;
}

export interface TelecastError extends Error {
  /** Stable, e.g. `unauthorized`, `forbidden`, `device_ids_required`, `network`. */
  readonly code: string;
  /** True if the client has given up and is closed. */
  readonly fatal: boolean;
  /** The status, if the server answered over HTTP. */
  readonly status: number | undefined;
}

/**
 * A stream of device messages that reconnects by itself.
 *
 * A lost connection is opened again from the last cursor, so that each message is delivered once
 * and in order, as long as the server has stored what came in between; a `resumed` event says
 * whether it has. Two cases can repeat a message: `mode: "latest"`, and the replay of a
 * `subscribe(…, { since })` that is interrupted and has to start again.
 *
 * `for await (const message of client)` reads messages and snapshots. Each iterator has a buffer of
 * `bufferSize`; a slower reader loses the oldest messages, counted in `overflowed`. With `mode:
 * "latest"` the buffer holds one message per device, and a slow reader gets the newest ones. The
 * iteration ends when the client is closed, and throws the error that closed it.
 */
export interface Telecast<T = unknown> extends AsyncIterable<TelecastMessage<T>>, AsyncDisposable {
  readonly state: TelecastState;
  /** The ids that are subscribed to, in the order of their subscription. */
  readonly deviceIds: readonly string[];
  /** The position reached: pass it to another client as `since`. */
  readonly cursor: string | undefined;
  /** Messages that slow iterators lost. */
  readonly overflowed: number;
  /** Listens to one kind of event, and returns the function that stops listening. */
  on<K extends keyof TelecastEvents<T>>(
    type: K,
    listener: (event: TelecastEvents<T>[K]) => void,
  ): () => void;
  /**
   * Adds devices while messages flow. Resolves when the server has accepted them. Over Server-Sent
   * Events the stream is reopened from the cursor: `since` is then refused, and `snapshot` returns
   * the snapshots of all devices.
   */
  subscribe(
    deviceIds: string | readonly string[],
    options?: { readonly since?: string | undefined; readonly snapshot?: boolean | undefined },
  ): Promise<void>;
  /** Removes devices. If none is left, the connection is closed until the next `subscribe()`. */
  unsubscribe(deviceIds: string | readonly string[]): Promise<void>;
  /**
   * Milliseconds that the server takes to answer over the stream; undefined if it cannot be asked:
   * not open, or Server-Sent Events.
   */
  ping(): Promise<number | undefined>;
  close(): Promise<void>;
}

export interface TelecastConstructor {
  /**
   * Opens a stream. `url` is the server's address or that of its stream, absolute or, in a page,
   * relative: `https://host`, `wss://host/api/v1/stream`, `/api/v1/stream`.
   * @throws {TypeError} if `url` is not a valid address, or an option has an invalid value.
   */
  new <T = unknown>(url: string | URL, options: TelecastOptions): Telecast<T>;
}
