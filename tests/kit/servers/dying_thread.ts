/** A thread that forwards each message type to a channel, and throws when told to stop. */

import type { FromThread, ToThread } from "../../../server/threads.ts";

const thread = globalThis as unknown as {
  postMessage(message: FromThread): void;
  onmessage: (event: MessageEvent<ToThread>) => void;
};
const channel = new BroadcastChannel("dying thread");

thread.onmessage = ({ data }) => {
  channel.postMessage(data.type);
  if (data.type === "stop") throw new Error("told to stop, and died");
};
thread.postMessage({ type: "loaded" });
