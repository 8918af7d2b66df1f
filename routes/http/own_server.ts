/** What our own server adds to a request; `Deno.serve` has none of it. */

import type { EventBody } from "../../broker/streams/sse_sink.ts";
import type { ClientSocket } from "../../broker/streams/ws_sink.ts";

/** What a handler gets besides the request. */
export interface RequestInfo extends Deno.ServeHandlerInfo {
  /** If it is set, streams must be opened through it. */
  readonly direct?: OwnConnection;
  /** False over HTTP/2 behind our own server: Deno's WebSocket buffers up to 64 MiB. */
  readonly mayUpgrade?: false;
}

/** The connection of a request. The handler may open one of the two, once. */
export interface OwnConnection {
  /** Opens an event stream; the handler's response supplies its head. */
  openEvents(onGone: () => void): EventBody;
  /** Answers the handshake (RFC 6455, 4.2); undefined if the request is not a valid one. */
  upgrade(handlers: WebSocketHandlers, options: UpgradeOptions): ClientSocket | undefined;
}

export interface WebSocketHandlers {
  onMessage(data: string | ArrayBuffer): void;
  /** A message exceeded the limit; the socket reads no more, and waits to be closed. */
  onTooBig(): void;
  /** The connection is gone. Called once. */
  onGone(): void;
}

export interface UpgradeOptions {
  readonly protocol?: string | undefined;
  readonly maxMessageBytes: number;
  /** The client may send a lot: it is not read more slowly for that, and the handler limits it. */
  readonly isBulk?: boolean | undefined;
}
