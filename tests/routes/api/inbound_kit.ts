/** Peers that send inbound messages. */

import { MemoryKv } from "../../../broker/store/memory_kv.ts";
import { DELIVERY_PREFIX, StoredJob } from "../../../broker/deliveries/stored_job.ts";
import type { KvClient } from "../../../broker/store/kv_client.ts";
import { WsClient, type WsClientOptions } from "../../kit/clients/ws_client.ts";
import { Rig } from "../rig.ts";

export const SECRET = "a secret of at least thirty-two bytes";

export function connect(rig: Rig, query = "", options: WsClientOptions = {}): Promise<WsClient> {
  return rig.socket(`/ws${query}`, options);
}

export const message = (id: string, from = "573001112233") => ({
  from,
  id,
  timestamp: "1732560000",
  type: "text",
  text: { body: `hola ${id}` },
});

export const webhook = (...messages: unknown[]) => ({
  object: "whatsapp_business_account",
  entry: [{
    id: "1",
    changes: [{ field: "messages", value: { messaging_product: "whatsapp", messages } }],
  }],
});

/** Jobs in the queue by partition, in order. */
export async function jobs(kv: KvClient): Promise<StoredJob[]> {
  return (await kv.list({ prefix: DELIVERY_PREFIX }, { limit: 1000 })).map((entry) =>
    new StoredJob(entry)
  );
}

// deno-lint-ignore no-explicit-any -- answers of two kinds
export async function answers(client: WsClient, count: number): Promise<any[]> {
  await client.frames.waitForCount(count);
  return client.frames.items.map((text) => JSON.parse(text));
}

/**
 * A store that can be unavailable; commits in progress then fail, before or after they are done.
 */
export class UnsteadyKv extends MemoryKv {
  away = false;
  loseAnswers = false;
  override async commit(commit: Parameters<MemoryKv["commit"]>[0]) {
    if (this.away) throw new Error("away");
    const result = await super.commit(commit);
    if (this.loseAnswers) throw new Error("the answer is lost");
    return result;
  }
}
