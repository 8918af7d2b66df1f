/** The worker of the upstream WebSocket. */

import { runSource } from "../runtime/worker_runtime.ts";
import { WebSocketSource, type WebSocketSourceConfig } from "./source.ts";

runSource<WebSocketSourceConfig>({ create: (config) => new WebSocketSource(config) });
