import assert from "node:assert/strict";
import { PendingPublishes } from "../../../ingest/runtime/pending_publishes.ts";

const message = (payload: string) => ({ topic: "t", payload, qos: 1 as const });

Deno.test("PendingPublishes holds 16 MiB or 10,000 messages, more after an answer", async () => {
  for (
    const { payload, most } of [{ payload: "", most: 10_000 }, {
      payload: "x".repeat(2 ** 20),
      most: 15,
    }]
  ) {
    const pending = new PendingPublishes(Promise.resolve());
    const ids: number[] = [];
    const add = () => pending.add(message(payload), 60_000, (id) => void ids.push(id));
    const waiting = Array.from({ length: most }, add);
    await assert.rejects(add(), /too many messages wait for the broker/);
    assert.equal(ids.length, most);
    pending.settle(ids[0]!, undefined);
    await waiting[0];
    waiting.push(add());
    assert.equal(ids.length, most + 1);
    pending.settle(ids[1]!, "refused");
    await assert.rejects(waiting[1]!, /^Error: refused$/);
    pending.rejectAll("the worker died");
    for (const one of waiting.slice(2)) await assert.rejects(one, /the worker died/);
  }
});

Deno.test("PendingPublishes gives up on a worker that does not answer", async () => {
  const pending = new PendingPublishes(Promise.resolve());
  await assert.rejects(pending.add(message("x"), 1, () => {}), /no answer within 1 ms/);
});

Deno.test("PendingPublishes starts its timeouts when the worker is loaded", async () => {
  const loading = Promise.withResolvers<void>();
  const pending = new PendingPublishes(loading.promise);
  let isSettled = false;
  const publishing = pending.add(message("x"), 1, () => {}).catch((error) => String(error))
    .finally(() => isSettled = true);
  // Takes longer than the timeout plus its extra time.
  await assert.rejects(new PendingPublishes(Promise.resolve()).add(message("x"), 100, () => {}));
  assert.equal(isSettled, false);
  loading.resolve();
  assert.match(String(await publishing), /no answer within 1 ms/);
});
