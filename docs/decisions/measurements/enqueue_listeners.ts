/**
 * How many of two listeners get a message that was put into Deno KV's queue.
 * deno run -A --unstable-kv docs/decisions/measurements/enqueue_listeners.ts
 */

const MESSAGES = 1000;
const path = `${await Deno.makeTempDir()}/queue.sqlite`;
const kvs = [await Deno.openKv(path), await Deno.openKv(path)];
const got = kvs.map(() => 0);
const listening = kvs.map((kv, i) => kv.listenQueue(() => void got[i]!++));
const start = performance.now();
for (let i = 0; i < MESSAGES; i++) await kvs[0]!.enqueue(i);
while (got[0]! + got[1]! < MESSAGES && performance.now() - start < 60_000) {
  await new Promise((resolve) => setTimeout(resolve, 50));
}
await new Promise((resolve) => setTimeout(resolve, 2000));
await Deno.stdout.write(new TextEncoder().encode(
  `${MESSAGES} messages enqueued; the listeners got ${got.join(" and ")}\n`,
));
for (const kv of kvs) kv.close();
await Promise.all(listening);
