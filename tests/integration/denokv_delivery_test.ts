import { DenoKv } from "../../broker/deno_kv.ts";
import { openRemoteKv } from "../../broker/remote_kv.ts";
import { DenoKv as DenoKvServer } from "../kit/denokv.ts";
import { deliverySuite } from "../suites/delivery_suite.ts";

deliverySuite("DeliveryQueue on denokv", async () => {
  const server = await DenoKvServer.start();
  const clients: DenoKv[] = [];
  return {
    client: () => {
      const open = () => openRemoteKv(server.url, server.accessToken);
      const client = new DenoKv(open, { limitMs: 5000 });
      clients.push(client);
      return client;
    },
    [Symbol.asyncDispose]: async () => {
      for (const client of clients) client.close();
      await server[Symbol.asyncDispose]();
    },
  };
});
