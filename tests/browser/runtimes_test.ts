/// <reference lib="dom" />
import assert from "node:assert/strict";
import type { TelecastConstructor } from "../../client/types.ts";
import { StreamServer } from "../client/stream_server.ts";
import { dashboardRoutes } from "../../routes/pages/assets.ts";
import { pageTest } from "./page_kit.ts";

const TOTAL = 300;
const CUTS = 6;

/** Publishes numbered messages, and cuts all connections at regular intervals. */
async function publish(server: StreamServer): Promise<void> {
  await server.streams.waitForCount(1);
  for (let n = 1; n <= TOTAL; n++) {
    server.publish(n);
    if (n % (TOTAL / CUTS) !== 0 || n === TOTAL) continue;
    const opened = server.streams.items.length;
    for (const stream of server.live) stream.close(1011);
    await server.streams.waitForCount(opened + 1);
  }
}

const ALL = Array.from({ length: TOTAL }, (_, i) => i + 1);

for (const transport of ["ws", "sse"] as const) {
  pageTest(
    `/client.js in Chromium misses and repeats nothing over ${transport} when connections are cut`,
    {
      server: { vehicles: 1, messagesPerSecond: 0 },
      context: { bypassCSP: true },
      expectedFaults: /asked another host/,
    },
    async (page) => {
      await using server = new StreamServer({ cors: true });
      const seen = page.evaluate(async ({ url, transport, total }) => {
        const address = new URL("client.js", location.href).href;
        const { Telecast }: { Telecast: TelecastConstructor } = await import(address);
        const client = new Telecast<number>(url, {
          deviceIds: ["A"],
          transport,
          since: "0",
          backoff: { baseMs: 1, maxMs: 5 },
        });
        const numbers: number[] = [];
        for await (const { data } of client) if (numbers.push(data) === total) break;
        await client.close();
        return numbers;
      }, { url: server.url, transport, total: TOTAL });
      await publish(server);
      assert.deepEqual(await seen, ALL);
    },
  );
}

Deno.test("/client.js in Node, with SSE only, misses and repeats nothing when connections are cut", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const script = await (await dashboardRoutes().request("/client.js")).text();
    await Deno.writeTextFile(`${folder}/client.mjs`, script);
    await Deno.writeTextFile(
      `${folder}/main.mjs`,
      `import { Telecast } from "./client.mjs";
      const client = new Telecast(process.argv[2], {
        deviceIds: ["A"], since: "0", backoff: { baseMs: 1, maxMs: 5 },
      });
      const numbers = [];
      for await (const { data } of client) if (numbers.push(data) === ${TOTAL}) break;
      await client.close();
      console.log(JSON.stringify(numbers));`,
    );
    await using server = new StreamServer();
    const node = new Deno.Command("node", {
      args: [`${folder}/main.mjs`, server.url],
      stdout: "piped",
    }).spawn();
    await publish(server);
    const { success, stdout } = await node.output();
    assert(success);
    assert.deepEqual(JSON.parse(new TextDecoder().decode(stdout)), ALL);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
