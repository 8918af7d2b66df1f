/** Opens a client of a test server, and records what it gets. */

import { Telecast } from "../../client/telecast.ts";
import type { TelecastMessage, TelecastOptions, TelecastState } from "../../client/types.ts";
import { Recorder } from "../kit/recorder.ts";
import { StreamServer } from "./stream_server.ts";

export const FAST = { baseMs: 1, maxMs: 5 };

export function open(server: StreamServer, options: Partial<TelecastOptions> = {}) {
  const client = new Telecast<number>(server.url, { deviceIds: ["A"], backoff: FAST, ...options });
  const messages = new Recorder<TelecastMessage<number>>("the client");
  const states = new Recorder<TelecastState>("the client's states");
  client.on("message", (message) => messages.add(message));
  client.on("snapshot", (message) => messages.add(message));
  client.on("state", (state) => states.add(state));
  return Object.assign(client, {
    messages,
    states,
    data: () => messages.items.map(({ data }) => data),
    opened: (n = 1) => states.waitForCount(n, ({ state }) => state === "open"),
  });
}
