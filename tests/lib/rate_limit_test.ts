import assert from "node:assert/strict";
import { RateLimit } from "../../lib/rate_limit.ts";
import { PUBLISH_BURST, PUBLISHES_PER_SECOND } from "../../ingest/aws_iot/settings.ts";

Deno.test("RateLimit stays below the publishes per second that AWS accepts", () => {
  let now = 0;
  const rate = new RateLimit({
    perSecond: PUBLISHES_PER_SECOND,
    burst: PUBLISH_BURST,
    monotonic: () => now,
  });
  const taken: number[] = [];
  for (const pause of [0, 400, 3_000]) {
    now += pause;
    for (let i = 0; i < 500; i++) {
      const waitMs = rate.take();
      if (waitMs === 0) taken.push(now);
      else now += waitMs;
    }
  }
  const worst = Math.max(
    ...taken.map((from) => taken.filter((at) => at >= from && at < from + 1000).length),
  );
  assert.ok(worst < 100 && worst > 80, `${worst} in a second`);
});
