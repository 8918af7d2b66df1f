/** The source kind for an upstream WebSocket. */

import { url } from "../../config/forms.ts";
import { defineSource } from "../runtime/source_kind.ts";
import type { WebSocketSourceConfig } from "./source.ts";

export interface WebSocketConfig {
  /** `ws://` or `wss://`; its query may hold a token. */
  readonly url: string;
}

const variables = { WEBSOCKET_URL: url("ws", "wss").optional() };

export const WEBSOCKET = defineSource<WebSocketConfig, typeof variables>({
  name: "websocket",
  flags: ["--websocket", "--both"],
  variables,
  addresses: ["WEBSOCKET_URL"],
  help: `Upstream WebSocket
  WEBSOCKET_URL                        ws:// or wss://`,
  section({ WEBSOCKET_URL: url }, { isOwnAddress, problem }) {
    if (url === undefined) return undefined;
    if (isOwnAddress(url)) {
      problem(
        "WEBSOCKET_URL",
        "is the address of this program itself: change PORT or WEBSOCKET_URL",
      );
    }
    return { url };
  },
  summary: ({ url }) => `websocket ${new URL(url).origin}`,
  worker: new URL("./worker.ts", import.meta.url),
  // WebSocket clients cannot share a subscription: each would get every message.
  isLeased: (mode) => mode !== "all",
  workerConfig: ({ url }, { config, takesInbound }): WebSocketSourceConfig => ({
    url,
    maxMessageBytes: config.maxMessageBytes,
    deviceIdPath: config.deviceIdPath,
    answers: !config.shadow,
    takesInbound,
  }),
});
