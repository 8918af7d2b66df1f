import assert from "node:assert/strict";
import { Hono } from "hono";
import { ConnectionSlot } from "../../../routes/access/admission.ts";
import { problem, ProblemError } from "../../../routes/http/problem.ts";
import { writeLimits } from "../../../routes/access/request_limits.ts";
import { configOf } from "../../kit/config.ts";
import { range } from "../rig.ts";
import { VirtualTime } from "../../server/virtual_time.ts";

Deno.test("MAX_POSTS_PER_SECOND forgets only the oldest of more than 10,000 clients", async () => {
  // No client earns credit meanwhile.
  using _time = new VirtualTime();
  const app = new Hono()
    .use(writeLimits(configOf({ TRUST_PROXY: "true", MAX_POSTS_PER_SECOND: "1" })))
    .post("/", (c) => c.body(null, 204));
  app.onError((error) => problem((error as ProblemError).options));
  const post = async (n: number) => {
    const headers = { "x-forwarded-for": `client ${n}` };
    return (await app.request("/", { method: "POST", headers })).status;
  };
  for (const n of range(1, 10_000)) assert.equal(await post(n), 204);
  assert.deepEqual([await post(1), await post(2), await post(10_000)], [429, 429, 429]);
  assert.equal(await post(10_001), 204);
  assert.deepEqual([await post(2), await post(10_000)], [429, 429]);
  assert.equal(await post(1), 204, "it starts again");
});

Deno.test("ConnectionSlot is taken once and left once, however often it is called", () => {
  const changes: number[] = [];
  const slot = new ConnectionSlot("a", undefined, (_slot, change) => changes.push(change));
  slot.leave();
  assert.deepEqual(changes, [], "it was never taken");
  for (const _ of range(1, 2)) slot.take();
  for (const _ of range(1, 2)) slot.leave();
  assert.deepEqual(changes, [1, -1]);
});
