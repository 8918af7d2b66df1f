/** What the inbox must do on every store. */

import assert from "node:assert/strict";
import { checkInbound, type InboundMessage } from "../../broker/messages/inbound_message.ts";
import { Inbox } from "../../broker/deliveries/inbox.ts";
import { DELIVERY_PREFIX, StoredJob } from "../../broker/deliveries/stored_job.ts";
import type { KvClient } from "../../broker/store/kv_client.ts";
import type { DeliveryKit } from "./delivery_suite.ts";

const never = new AbortController().signal;

const message = (id: string | undefined, sender: string, text = ""): InboundMessage => ({
  id,
  sender,
  body: JSON.stringify({ id, from: sender, text }),
});

/** Ids of the messages in the queue, by partition, in order. */
async function queued(kv: KvClient): Promise<Map<string, string[]>> {
  const partitions = new Map<string, string[]>();
  let after: readonly (string | number)[] | undefined;
  for (;;) {
    const page = await kv.list({ prefix: DELIVERY_PREFIX }, {
      limit: 500,
      ...(after && { after }),
    });
    for (const job of page.map((entry) => new StoredJob(entry))) {
      const { message } = job.value.data as { message: { id: string } };
      partitions.set(job.partition, [...partitions.get(job.partition) ?? [], message.id]);
    }
    if (page.length < 500) return partitions;
    after = page.at(-1)!.key;
  }
}

export function inboxSuite(name: string, kit: () => Promise<DeliveryKit>): void {
  Deno.test(`${name}: messages of a sender are queued once each, in order`, async () => {
    await using world = await kit();
    const kv = world.client();
    let rung = 0;
    await using inbox = new Inbox(kv, { onQueued: () => rung++ });
    const ids = Array.from({ length: 250 }, (_, n) => `m${n}`);
    const outcomes = await Promise.all(
      ids.flatMap((id) => ["1", "2", "3"].map((from) => inbox.store(message(id, from), never))),
    );
    assert.ok(outcomes.every((outcome) => outcome === "queued"));
    assert.deepEqual([...(await queued(kv)).values()], [ids, ids, ids]);
    assert.ok(rung > 0);
    assert.equal(await inbox.store(message("m249", "1"), never), "repeat");
    assert.equal(await inbox.store(message("m60", "2"), never), "repeat", "one of the last 200");
    assert.equal(await inbox.store(message(undefined, "1"), never), "queued");
    assert.equal(await inbox.store(message(undefined, "1"), never), "queued", "no id, no repeat");
  });

  Deno.test(`${name}: a message that two instances receive at once is queued once`, async () => {
    await using world = await kit();
    const kv = world.client();
    await using one = new Inbox(kv);
    await using two = new Inbox(world.client());
    const ids = Array.from({ length: 100 }, (_, n) => `m${n}`);
    const outcomes = await Promise.all(
      ids.flatMap((id) => [one, two].map((inbox) => inbox.store(message(id, "1"), never))),
    );
    const [partition] = [...(await queued(kv)).values()];
    assert.deepEqual([...new Set(partition)].length, 100);
    assert.equal(partition!.length, 100);
    assert.equal(outcomes.filter((outcome) => outcome === "queued").length, 100);
  });

  Deno.test(`${name}: hundreds of senders and large messages fit into commits`, async () => {
    await using world = await kit();
    const kv = world.client();
    await using inbox = new Inbox(kv);
    const large = "ñ".repeat(29_000);
    const stored = Array.from(
      { length: 300 },
      (_, n) => inbox.store(message("m", `${n}`, n % 10 === 0 ? large : ""), never),
    );
    await Promise.all(stored);
    assert.equal((await queued(kv)).size, 300);
    // As large as a message may be; serialized again, it would be larger.
    const numbers = `{"from":"x","n":[${"1e20,".repeat(11_900)}1]}`;
    const checked = checkInbound(JSON.parse(numbers), numbers);
    assert.ok(checked.kind === "messages");
    assert.equal(await inbox.store(checked.messages[0]!, never), "queued");
  });
}
