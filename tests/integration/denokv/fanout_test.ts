import { DenoKv } from "../../../broker/store/deno_kv.ts";
import { KvFanout } from "../../../broker/log/kv_fanout.ts";
import { openRemoteKv } from "../../../broker/store/remote_kv.ts";
import { DenoKv as DenoKvServer } from "../../kit/servers/denokv.ts";
import { durableFanoutSuite } from "../../suites/fanout_suite.ts";

durableFanoutSuite("KvFanout on denokv", async () => {
  const server = await DenoKvServer.start();
  const clients: DenoKv[] = [];
  return {
    durable: true,
    open: (options) => {
      const client = new DenoKv(() => openRemoteKv(server.url, server.accessToken), {
        limitMs: 5000,
      });
      clients.push(client);
      return Promise.resolve(
        new KvFanout(client, {
          retentionMs: 60_000,
          recentMaxBytes: 4_000_000,
          flushMs: 50,
          ...options,
        }),
      );
    },
    [Symbol.asyncDispose]: async () => {
      for (const client of clients) client.close();
      await server[Symbol.asyncDispose]();
    },
  };
});
