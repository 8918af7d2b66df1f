/** Which instances wrote the shared log, in log order, read directly from the store. */

import { DenoKv as Client } from "../../broker/store/deno_kv.ts";
import { LogReader } from "../../broker/log/log_reader.ts";
import { openRemoteKv } from "../../broker/store/remote_kv.ts";
import type { DenoKv } from "./servers/denokv.ts";

/** A stretch of the log that one instance wrote. */
export interface Stretch {
  readonly writer: string;
  messages: number;
}

export async function logWriters(kv: DenoKv): Promise<Stretch[]> {
  const client = new Client(() => openRemoteKv(kv.url, kv.accessToken), { limitMs: 10_000 });
  try {
    const reader = new LogReader(client);
    const { floor, next } = (await reader.head())!.head;
    const stretches: Stretch[] = [];
    for (let at = floor; at < next;) {
      for (const frame of await reader.frames(at, next)) {
        if (stretches.at(-1)?.writer !== frame.writer) {
          stretches.push({ writer: frame.writer, messages: 0 });
        }
        stretches.at(-1)!.messages += frame.next - frame.firstOffset;
        at = frame.next;
      }
    }
    return stretches;
  } finally {
    client.close();
  }
}
