/**
 * The upper limit for mqtt.js: a worker that only parses and counts each message.
 *
 *     deno run -A tests/bench/bare_mqtt.ts <broker url> <qos> <messages to warm up> <messages>
 */

import mqtt from "mqtt";

if ("WorkerGlobalScope" in globalThis) await count();
else new Worker(import.meta.url, { type: "module" });

async function count(): Promise<void> {
  const [url, ...numbers] = Deno.args;
  const [qos, warmUp, count] = numbers.map(Number) as [0 | 1, number, number];
  let seen = 0;
  let start = 0;
  const client = await mqtt.connectAsync(url!);
  client.on("message", (_topic, payload) => {
    JSON.parse(payload.toString());
    seen++;
    if (seen === warmUp) print("warm");
    else if (seen === warmUp + 1) start = performance.now();
    else if (seen === warmUp + count) {
      print(`rate ${Math.round(count / (performance.now() - start) * 1000)}`);
    }
  });
  await client.subscribeAsync("bench/#", { qos });
  print("subscribed");
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
