/**
 * How long a message takes from publish() in one fanout to a second one on the same store.
 * deno run -A docs/decisions/measurements/fanout_delay.ts <file or URL> [messages a second] [native]
 * With `native` a URL is opened by Deno's own client.
 */

import { DenoKv } from "../../../broker/store/deno_kv.ts";
import type { FanoutListener } from "../../../broker/log/fanout.ts";
import { KvFanout } from "../../../broker/log/kv_fanout.ts";
import { openRemoteKv } from "../../../broker/store/remote_kv.ts";

const SECONDS = 10;
const [store = "data/measure.sqlite", perSecond = "1000", native] = Deno.args;
const rate = Number(perSecond);
const token = Deno.env.get("DENO_KV_ACCESS_TOKEN") ?? "";

function open() {
  const remote = store.startsWith("http") && native !== "native";
  const kv = new DenoKv(() => remote ? openRemoteKv(store, token) : Deno.openKv(store), {
    limitMs: 5_000,
  });
  const fanout = new KvFanout(kv, { retentionMs: 300_000, recentMaxBytes: 64 * 1_048_576 });
  return { fanout, kv };
}

const writer = open();
const reader = open();
const ignore: FanoutListener = { onPublications: () => {}, onReset: () => {} };
const delays: number[] = [];
const stored: number[] = [];
const padding = "x".repeat(200);
const run = crypto.randomUUID();
await writer.fanout.start(ignore);
await reader.fanout.start({
  ...ignore,
  onPublications(batch) {
    const now = performance.now();
    for (const { payload } of batch) {
      const message = JSON.parse(payload);
      if (message.run === run) delays.push(now - message.at);
    }
  },
});

const start = performance.now();
let sent = 0;
while (performance.now() - start < SECONDS * 1000) {
  for (; sent < rate * (performance.now() - start) / 1000; sent++) {
    const at = performance.now();
    const payload = JSON.stringify({ run, at, padding });
    writer.fanout.publish([{ deviceId: `D${sent % 100}`, payload }])
      .then(() => stored.push(performance.now() - at));
  }
  await new Promise((resolve) => setTimeout(resolve, 1));
}
while (delays.length < sent) await new Promise((resolve) => setTimeout(resolve, 10));

const line = (name: string, values: number[]) => {
  values.sort((a, b) => a - b);
  const at = (part: number) => values[Math.floor((values.length - 1) * part)]!.toFixed(1);
  return `${name}: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`;
};
await Deno.stdout.write(new TextEncoder().encode(
  `${sent} messages at ${rate}/s\n${line("stored", stored)}\n${
    line("seen by the other", delays)
  }\n`,
));
for (const { fanout } of [writer, reader]) await fanout[Symbol.asyncDispose]();
for (const { kv } of [writer, reader]) kv.close();
