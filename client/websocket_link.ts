import type { Ending, Frame, Link, LinkHandlers } from "./link.ts";
import type { WebSocketClass } from "./types.ts";

const OPEN = 1;

/** Characters that a subprotocol may contain (RFC 9110, token): they include those of every JWT. */
const SUBPROTOCOL = /^[\w!#$%&'*+.^`|~-]+$/;

/** Opens the stream over a WebSocket; the token is sent as a subprotocol, if possible. */
export function openWebSocket(
  url: URL,
  { WebSocket, token, handlers }: {
    WebSocket: WebSocketClass;
    token: string | undefined;
    handlers: LinkHandlers;
  },
): Link {
  const address = new URL(url);
  address.protocol = url.protocol.replace("http", "ws");
  const asProtocol = token !== undefined && SUBPROTOCOL.test(token);
  if (token !== undefined && !asProtocol) address.searchParams.set("access_token", token);
  let socket: InstanceType<WebSocketClass>;
  try {
    socket = new WebSocket(address.href, asProtocol ? [`bearer.${token}`] : []);
  } catch (error) {
    // A policy or a permission forbids it; SSE may still be allowed.
    const ended = Promise.resolve({ opened: false, reason: String(error) });
    return { transport: "ws", ended, send: () => false, close() {} };
  }

  let opened = false;
  let finish: (ending: Ending) => void;
  const ended = new Promise<Ending>((resolve) => finish = resolve);

  socket.onopen = () => {
    opened = true;
    handlers.onHeard();
    handlers.onOpen();
  };
  socket.onmessage = ({ data }: { data: unknown }) => {
    handlers.onHeard();
    const frame = parseFrame(data);
    if (frame) handlers.onFrame(frame);
    else handlers.onGarbage(String(data));
  };
  socket.onclose = ({ code, reason }: { code: number; reason: string }) => {
    finish({ opened, closeCode: code, reason: reason || `the connection closed (${code})` });
  };
  // `close` always follows; without a listener some implementations throw.
  socket.onerror = () => {};

  return {
    transport: "ws",
    ended,
    send(command) {
      if (socket.readyState !== OPEN) return false;
      socket.send(JSON.stringify(command));
      return true;
    },
    close(reason) {
      // A dead peer does not answer a close frame, so the answer is not awaited.
      finish({ opened, reason });
      socket.onmessage = socket.onopen = null;
      socket.close(1000);
    },
  };
}

function parseFrame(text: unknown): Frame | undefined {
  if (typeof text !== "string") return undefined;
  try {
    const frame = JSON.parse(text);
    return typeof frame?.event === "string" ? frame : undefined;
  } catch {
    return undefined;
  }
}
