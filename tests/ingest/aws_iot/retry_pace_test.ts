import assert from "node:assert/strict";
import { RetryPace } from "../../../ingest/aws_iot/retry_pace.ts";

const take = (pace: RetryPace, count: number) => Array.from({ length: count }, () => pace.next());

Deno.test("RetryPace waits 1, 2, 4, 8, 16 s, then a minute each time", () => {
  const pace = new RetryPace({}, () => 0.5);
  assert.deepEqual(take(pace, 8), [1, 2, 4, 8, 16, 60, 60, 60].map((seconds) => seconds * 1000));
  pace.reset();
  assert.deepEqual(take(pace, 2), [1000, 2000]);
});

Deno.test("RetryPace varies each wait by a quarter up and down", () => {
  assert.deepEqual(take(new RetryPace({}, () => 0), 6), [750, 1500, 3000, 6000, 12_000, 45_000]);
  const most = take(new RetryPace({}, () => 0.9999999), 6);
  assert.deepEqual(most, [1250, 2500, 5000, 10_000, 20_000, 75_000]);
});

Deno.test("RetryPace never waits longer before a quick try than before a slow one", () => {
  const pace = new RetryPace({ maxTries: 10 }, () => 0.5);
  assert.equal(Math.max(...take(pace, 20)), 60_000);
});
