import assert from "node:assert/strict";
import { Backoff } from "../../lib/backoff.ts";
import { sleep } from "../../lib/clock.ts";

Deno.test("Backoff grows from half of minMs to at most maxMs, and starts again after a reset", () => {
  const backoff = new Backoff({ minMs: 100, maxMs: 1_000 });
  for (let round = 0; round < 50; round++) {
    for (const whole of [100, 200, 400, 800, 1_000, 1_000]) {
      const delay = backoff.next();
      assert.ok(delay >= whole / 2 && delay <= whole, `${delay} of ${whole}`);
    }
    backoff.reset();
  }
  for (let i = 0; i < 10_000; i++) backoff.next();
  assert.ok(backoff.next() <= 1_000);
});

Deno.test("Backoff differs between instances", () => {
  const delays = new Set(Array.from({ length: 50 }, () => {
    return new Backoff({ minMs: 10_000, maxMs: 10_000 }).next();
  }));
  assert.ok(delays.size > 25);
});

Deno.test("sleep() ends at once when its signal aborts or is aborted already", async () => {
  const abort = new AbortController();
  const sleeping = sleep(60_000, abort.signal);
  abort.abort();
  await sleeping;
  await sleep(60_000, abort.signal);
  await sleep(1, new AbortController().signal);
});
