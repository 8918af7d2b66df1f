import { DenoKv } from "../../../broker/store/deno_kv.ts";
import { openRemoteKv } from "../../../broker/store/remote_kv.ts";
import { DenoKv as DenoKvServer } from "../../kit/servers/denokv.ts";
import { deliverySuite } from "../../suites/delivery_suite.ts";
import { inboxSuite } from "../../suites/inbox_suite.ts";
import { poisonSuite } from "../../suites/poison_suite.ts";

async function kit() {
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
}

deliverySuite("DeliveryQueue on denokv", kit);
poisonSuite("DeliveryQueue on denokv", kit);
inboxSuite("Inbox on denokv", kit);
