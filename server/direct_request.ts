/** A request whose answer is written to its connection by ourselves. */

import { createHash } from "node:crypto";
import type { Connection } from "./connection.ts";
import { EventOutput } from "./event_output.ts";
import type { RequestHead } from "./request_head.ts";
import { ServerWebSocket, type WebSocketHandlers } from "./web_socket.ts";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const KEY = /^[A-Za-z0-9+/]{22}==$/;
const encoder = new TextEncoder();

/** What a handler gets of a request beside it. */
export interface RequestInfo extends Deno.ServeHandlerInfo {
  /** Where it is there, streams are to be answered through it. */
  readonly direct?: DirectRequest;
}

/** The handler may take one of both, once; or it answers with a response as any. */
export class DirectRequest {
  events: EventOutput | undefined;
  socket: ServerWebSocket | undefined;

  constructor(private readonly connection: Connection, private readonly head: RequestHead) {}

  /** A stream of events: the handler's response gives its head. */
  openEvents(onGone: () => void): EventOutput {
    return this.events = new EventOutput(this.connection, onGone);
  }

  /** Answers the handshake (RFC 6455, 4.2); undefined where the request is none. */
  upgrade(
    handlers: WebSocketHandlers,
    { protocol, maxMessageBytes }: { protocol?: string | undefined; maxMessageBytes: number },
  ): ServerWebSocket | undefined {
    const { headers } = this.head;
    const key = headers.get("sec-websocket-key") ?? "";
    if (!KEY.test(key) || !lists(headers.get("connection"), "upgrade")) return undefined;
    const accept = createHash("sha1").update(key + GUID).digest("base64");
    this.socket = new ServerWebSocket(this.connection, handlers, maxMessageBytes);
    this.connection.write(encoder.encode(
      "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n" +
        `sec-websocket-accept: ${accept}\r\n` +
        (protocol ? `sec-websocket-protocol: ${protocol}\r\n` : "") + "\r\n",
    ));
    return this.socket;
  }
}

function lists(value: string | null, wanted: string): boolean {
  return (value ?? "").split(",").some((item) => item.trim().toLowerCase() === wanted);
}
