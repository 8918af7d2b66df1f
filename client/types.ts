// This file holds types alone, so that it is served as it stands as the library's declarations.

/** How to open a {@linkcode Telecast}. */
export interface TelecastOptions {
  /** Device ids: a list, or text that commas separate. An entry of a list may contain commas. `"*"` is
   * every device that the token grants; an entry that ends in `*`, such as `"0848*"`, is a prefix.
   * May be empty: then nothing is opened before the first `subscribe()`. */
  readonly deviceIds: string | readonly string[];
  /** A bearer token, or a function that is asked for one before each connection. */
  readonly token?: string | TokenSource | undefined;
  /** Default `"auto"`: WebSocket where there is one and it gets through, else Server-Sent Events. */
  readonly transport?: "auto" | Transport | undefined;
  /** A cursor from an earlier run: first everything kept after it, then live. */
  readonly since?: string | undefined;
  /** First the last known message of each device. Asked for once, not at each reconnect. */
  readonly snapshot?: boolean | undefined;
  /** `presence` events too. */
  readonly presence?: boolean | undefined;
  /** `"latest"`: where this client falls behind, only the newest message of each device. So it is
   * for the readers of its iterators too. */
  readonly mode?: "latest" | undefined;
  /** For `mode: "latest"`: which device a payload is of, where it stands in another place than
   * `data.DEVICE_ID`, `device_id` or `empresa`. */
  readonly deviceIdOf?: ((data: never) => unknown) | undefined;
  /** At most this many messages a second for each device; implies `mode: "latest"`. */
  readonly maxRate?: number | undefined;
  /** Messages of so many milliseconds (1 to 1,000) in one frame; WebSocket only. */
  readonly batchMs?: number | undefined;
  /** Messages that one iterator holds for a slow reader, default 10,000; see `for await`. */
  readonly bufferSize?: number | undefined;
  /** Before a reconnect the client waits between zero and `baseMs` (500), at random; each failure
   * doubles the limit, up to `maxMs` (30,000). */
  readonly backoff?: { readonly baseMs: number; readonly maxMs: number } | undefined;
  /** A connection on which nothing is heard for so long is given up, default 45,000. The server
   * sends something every 20 s, or answers when it is asked. */
  readonly deadAfterMs?: number | undefined;
  /** Closes the client when it aborts. */
  readonly signal?: AbortSignal | undefined;
  /** A WebSocket class where there is no global one (Node 20), e.g. that of the package `ws`. */
  readonly WebSocket?: WebSocketClass | undefined;
  /** In place of the global `fetch`. */
  readonly fetch?: typeof fetch | undefined;
  /** In place of `Math.random`. */
  readonly random?: (() => number) | undefined;
}

export type Transport = "ws" | "sse";

/** Gives the token for a connection, or none. `unauthorized` says that the server has just answered
 * 401 to the one before. A promise may take as long as a person needs to sign in. */
export type TokenSource = (
  context: { readonly unauthorized: boolean },
) => string | undefined | Promise<string | undefined>;

/** What the client needs of a WebSocket class. */
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
  /** The cursor of this position, where it has one. */
  readonly id: string | undefined;
}

export type TelecastState =
  /** No device is asked for. */
  | { readonly state: "idle" }
  | { readonly state: "connecting"; readonly transport: Transport; readonly attempt: number }
  | { readonly state: "open"; readonly transport: Transport }
  /** The connection is gone; the next try comes in `retryInMs`. */
  | { readonly state: "waiting"; readonly retryInMs: number; readonly reason: string }
  /** Closed for good: by `close()`, or by an error that trying again cannot mend. */
  | { readonly state: "closed"; readonly reason: string };

/** What `on()` can listen to. */
export interface TelecastEvents<T = unknown> {
  message: TelecastMessage<T>;
  snapshot: TelecastMessage<T>;
  presence: { readonly deviceId: string; readonly state: "online" | "stale" };
  /** The server left out `count` messages of a device, because this client was too slow. */
  dropped: { readonly deviceId: string; readonly count: number };
  /** What became of a cursor: `full` = nothing is missing, `partial` = a part is no longer kept,
   * `none` = the cursor is not known, and nothing was replayed. */
  resumed: { readonly status: "full" | "partial" | "none"; readonly replayed: number };
  /** The server asks to come back in `reconnectMs`, which the client does by itself. */
  goodbye: { readonly reason: string; readonly reconnectMs: number };
  error: TelecastError;
  state: TelecastState;
}

export interface TelecastError extends Error {
  /** Stable, e.g. `unauthorized`, `forbidden`, `device_ids_required`, `network`. */
  readonly code: string;
  /** True where the client has given up and is closed. */
  readonly fatal: boolean;
  /** The status, where the server answered over HTTP. */
  readonly status: number | undefined;
}

/**
 * A stream of device messages that mends itself.
 *
 * A lost connection is opened again from the last cursor, so that each message is delivered once
 * and in order, as long as the server keeps what came between; a `resumed` event says whether it
 * did. Two cases can repeat a message: `mode: "latest"`, and the replay of a
 * `subscribe(…, { since })` that is cut and has to begin again.
 *
 * `for await (const message of client)` reads messages and snapshots. Each iterator has a buffer
 * of `bufferSize`; a reader that is slower loses the oldest ones, counted in `overflowed`. With
 * `mode: "latest"` the buffer holds one message a device, and a slow reader gets the newest ones.
 * The iteration ends when the client is closed, and throws the error that closed it.
 */
export interface Telecast<T = unknown> extends AsyncIterable<TelecastMessage<T>>, AsyncDisposable {
  readonly state: TelecastState;
  /** What is subscribed to, in the order in which it was asked for. */
  readonly deviceIds: readonly string[];
  /** The position reached: give it to another client as `since`. */
  readonly cursor: string | undefined;
  /** Messages that slow iterators lost. */
  readonly overflowed: number;
  /** Listens to one kind of event, and returns the function that ends it. */
  on<K extends keyof TelecastEvents<T>>(
    type: K,
    listener: (event: TelecastEvents<T>[K]) => void,
  ): () => void;
  /**
   * Adds devices, while messages flow. Resolves when the server has taken them. Over Server-Sent
   * Events the stream is opened anew from the cursor: `since` is then refused, and `snapshot`
   * brings those of all devices.
   */
  subscribe(
    deviceIds: string | readonly string[],
    options?: { readonly since?: string | undefined; readonly snapshot?: boolean | undefined },
  ): Promise<void>;
  /** Takes devices away again. Without any left, the connection is closed until the next ones. */
  unsubscribe(deviceIds: string | readonly string[]): Promise<void>;
  /** Milliseconds that the server takes to answer through the stream; undefined where it cannot be
   * asked: not open, or Server-Sent Events. */
  ping(): Promise<number | undefined>;
  close(): Promise<void>;
}

export interface TelecastConstructor {
  /**
   * Opens a stream. `url` is the server's address or that of its stream, absolute or, in a page,
   * relative: `https://host`, `wss://host/api/v1/stream`, `/api/v1/stream`.
   * @throws {TypeError} where `url` is no address, or an option no possible value.
   */
  new <T = unknown>(url: string | URL, options: TelecastOptions): Telecast<T>;
}
