/** Measures the size of the store while messages are written and expire. */

import { DenoKv as Client } from "../../../broker/store/deno_kv.ts";
import { LogReader } from "../../../broker/log/log_reader.ts";
import { openRemoteKv } from "../../../broker/store/remote_kv.ts";
import { logKey } from "../../../broker/store/kv_keys.ts";
import { DenoKv } from "../../kit/servers/denokv.ts";
import { startNode } from "./process.ts";

const RETENTION_SECONDS = 60;
const SAMPLE_SECONDS = 15;
/** Until then the store still grows: it fills with the retention and with deferred writes. */
const FULL_SECONDS = 2 * RETENTION_SECONDS;
const MAX_GROWTH = 1.3;

/** Writes for `minutes`; returns whether the store kept its size once it was full. */
export async function measureGrowth(
  minutes: number,
  perSecond: number,
  print: (text: string) => void,
): Promise<boolean> {
  await using kv = await DenoKv.start();
  const client = new Client(() => openRemoteKv(kv.url, kv.accessToken), { limitMs: 10_000 });
  const reader = new LogReader(client);
  await using writer = await startNode({
    url: kv.url,
    accessToken: kv.accessToken,
    client: "telecast",
    role: "write",
    perSecond,
    seconds: minutes * 60,
    retentionSeconds: RETENTION_SECONDS,
  });
  const start = performance.now();
  const written = writer.result();
  let over = false;
  const end = () => over = true;
  written.then(end, end);
  print(`${perSecond} msg/s for ${minutes} minutes, kept for ${RETENTION_SECONDS} s:`);
  const sizes: { seconds: number; bytes: number; rows: number }[] = [];
  while (!over) {
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_SECONDS * 1000));
    const seconds = Math.round((performance.now() - start) / 1000);
    const { floor, next } = (await reader.head())!.head;
    const rows = await countFrames(client);
    const bytes = await kv.databaseBytes();
    sizes.push({ seconds, bytes, rows });
    print(
      `  ${String(seconds).padStart(4)} s: ${(bytes / 1e6).toFixed(1)} MB, ${rows} frames, ` +
        `${next - floor} messages kept`,
    );
  }
  await written;
  client.close();
  const full = sizes.filter(({ seconds }) => seconds >= FULL_SECONDS);
  const [first, last] = [full[0], full.at(-1)];
  if (!first || !last) return true;
  const growth = last.bytes / first.bytes;
  print(`From ${first.seconds} s on it grew to ${(growth * 100).toFixed(0)} % of its size then.`);
  return growth < MAX_GROWTH && last.rows < first.rows * MAX_GROWTH;
}

async function countFrames(client: Client): Promise<number> {
  let count = 0;
  for (let from = 0;;) {
    const range = { start: logKey(from), end: logKey(Number.MAX_SAFE_INTEGER) };
    const page = await client.list(range, { limit: 500 });
    count += page.length;
    if (page.length < 500) return count;
    from = Number(page.at(-1)!.key[1]) + 1;
  }
}
