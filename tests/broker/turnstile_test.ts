import assert from "node:assert/strict";
import { Turnstile } from "../../broker/turnstile.ts";
import { eventually } from "../kit/eventually.ts";

/** Each who passes takes a millisecond of the clock; `done` has who is through, in order. */
function crowd(count: number) {
  let ms = 0;
  const done: number[] = [];
  const turnstile = new Turnstile(() => ms);
  const arrive = async (who: number) => {
    await turnstile.pass();
    ms++;
    done.push(who);
  };
  for (let who = 0; who < count; who++) arrive(who);
  return { turnstile, done, arrive, later: (by: number) => ms += by };
}

Deno.test("Turnstile: who comes where there is time goes on in the same turn", async () => {
  const { turnstile, done } = crowd(0);
  assert.equal(turnstile.pass(), undefined);
  assert.equal(turnstile.pass(), undefined);
  assert.deepEqual(done, []);
  await Promise.resolve();
  turnstile[Symbol.dispose]();
});

Deno.test("Turnstile: a crowd goes on in slices, in order, and what is due comes between them", async () => {
  const { turnstile, done, arrive } = crowd(3_000);
  const seen: number[] = [];
  const other = setInterval(() => seen.push(done.length));
  try {
    await eventually("all are through", () => done.length === 3_000);
  } finally {
    clearInterval(other);
  }
  assert.deepEqual(done, Array.from({ length: 3_000 }, (_, who) => who));
  const most = Math.max(...seen.map((count, i) => count - (seen[i - 1] ?? 0)));
  // A slice is 4 ms long; a timer may miss some of them.
  assert.ok(most < 1_000, `${most} went through at once, of ${seen.length} looks`);
  assert.equal(turnstile.waiting, 0);
  await arrive(3_000);
  assert.equal(done.at(-1), 3_000);
});

Deno.test("Turnstile: at its end nobody waits, nor later", async () => {
  const { turnstile, done, arrive, later } = crowd(100);
  await Promise.resolve();
  turnstile[Symbol.dispose]();
  await eventually("all are through", () => done.length === 100);
  assert.equal(turnstile.waiting, 0);
  later(1_000);
  await arrive(100);
  assert.equal(done.at(-1), 100);
  turnstile[Symbol.dispose]();
});
