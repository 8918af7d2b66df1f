/** Processes of the cluster bench. */

import { TestProcess } from "../../kit/servers/process.ts";
import type { NodeTask } from "./node.ts";

export interface Node extends AsyncDisposable {
  /** Resolves with its results once it has ended. */
  result<T>(): Promise<T>;
}

/** Resolves when the process has opened the store. */
export async function startNode(task: NodeTask): Promise<Node> {
  const process = TestProcess.start(Deno.execPath(), {
    name: `${task.client} ${task.role}`,
    args: [
      ...["run", "-A", "--unstable-kv", new URL("node.ts", import.meta.url).pathname],
      JSON.stringify(task),
    ],
  });
  try {
    await process.waitForOutput('{"ready":true}', { timeoutMs: 30_000 });
  } catch (error) {
    await process[Symbol.asyncDispose]();
    throw error;
  }
  return {
    async result<T>(): Promise<T> {
      await process.waitForExit({ timeoutMs: 3_600_000 });
      return JSON.parse(process.stdout.trim().split("\n").at(-1)!);
    },
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  };
}
