import assert from "node:assert/strict";
import type { FromThread } from "../../server/threads.ts";

Deno.test("a thread that is stopped before it starts reports that it stopped", async () => {
  const worker = new Worker(new URL("../../server/thread.ts", import.meta.url), { type: "module" });
  const said: string[] = [];
  const stopped = new Promise<void>((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<FromThread>) => {
      said.push(data.type);
      if (data.type === "stopped") resolve();
    };
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
  });
  try {
    worker.postMessage({ type: "stop" });
    await stopped;
  } finally {
    worker.terminate();
  }
  assert.deepEqual(said, ["loaded", "stopped"]);
});
