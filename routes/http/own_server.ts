/** What our own server offers beside a request; under `Deno.serve` there is none of it. */

import type { EventBody } from "../../broker/streams/sse_sink.ts";
import type { ClientSocket } from "../../broker/streams/ws_sink.ts";

/** What a handler gets of a request beside it. */
export interface RequestInfo extends Deno.ServeHandlerInfo {
  /** Where it is there, streams have to be opened through it. */
  readonly direct?: OwnConnection;
  /** False over HTTP/2 behind our own server: Deno's WebSocket takes 64 MiB into memory. */
  readonly mayUpgrade?: false;
}

/** The connection of a request. The handler may take one of both, once. */
export interface OwnConnection {
  /** A stream of events: the handler's response gives its head. */
  openEvents(onGone: () => void): EventBody;
  /** Answers the handshake (RFC 6455, 4.2); undefined where the request is none. */
  upgrade(handlers: WebSocketHandlers, options: UpgradeOptions): ClientSocket | undefined;
}

export interface WebSocketHandlers {
  onMessage(data: string | ArrayBuffer): void;
  /** A message was longer than it may be; the socket takes no more, and waits to be closed. */
  onTooBig(): void;
  /** The connection is gone. Called once. */
  onGone(): void;
}

export interface UpgradeOptions {
  readonly protocol?: string | undefined;
  readonly maxMessageBytes: number;
  /** The client may send as fast as it can: the handler bounds what it sends. */
  readonly isBulk?: boolean | undefined;
}
