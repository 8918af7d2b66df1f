/** A request that may be answered with a stream on its connection. */

import { createHash } from "node:crypto";
import type { Connection } from "./connection.ts";
import { EventOutput } from "./event_output.ts";
import { connectionHas, type RequestHead } from "./request_head.ts";
import { ReadPace } from "./read_pace.ts";
import type {
  OwnConnection,
  UpgradeOptions,
  WebSocketHandlers,
} from "../routes/http/own_server.ts";
import { ServerWebSocket } from "./web_socket.ts";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const KEY = /^[A-Za-z0-9+/]{22}==$/;
const encoder = new TextEncoder();

/** The handler may open one of the two, once, or return an ordinary response. */
export class DirectRequest implements OwnConnection {
  events: EventOutput | undefined;
  socket: ServerWebSocket | undefined;

  constructor(private readonly connection: Connection, private readonly head: RequestHead) {}

  /** Opens an event stream; the handler's response supplies its head. */
  openEvents(onGone: () => void): EventOutput {
    const { takesChunks } = this.head;
    this.connection.pace = new ReadPace();
    return this.events = new EventOutput(this.connection, onGone, { chunked: takesChunks });
  }

  /** Answers the handshake (RFC 6455, 4.2); undefined if the request is not a valid one. */
  upgrade(
    handlers: WebSocketHandlers,
    { protocol, maxMessageBytes, isBulk = false }: UpgradeOptions,
  ): ServerWebSocket | undefined {
    const { headers, body } = this.head;
    const key = headers.get("sec-websocket-key") ?? "";
    if (!KEY.test(key) || !connectionHas(headers, "upgrade")) return undefined;
    // A request body would come before the frames.
    if (body !== 0) return undefined;
    const accept = createHash("sha1").update(key + GUID).digest("base64");
    if (!isBulk) this.connection.pace = new ReadPace();
    this.socket = new ServerWebSocket(this.connection, handlers, maxMessageBytes);
    this.connection.write(encoder.encode(
      "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n" +
        `sec-websocket-accept: ${accept}\r\n` +
        (protocol ? `sec-websocket-protocol: ${protocol}\r\n` : "") + "\r\n",
    ));
    return this.socket;
  }
}
