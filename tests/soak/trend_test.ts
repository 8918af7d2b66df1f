import assert from "node:assert/strict";
import { grows, lowest, percentile, trendOf } from "./trend.ts";

const series = (count: number, value: (i: number) => number) =>
  Array.from({ length: count }, (_, i) => value(i));

Deno.test("grows() distinguishes a leak from noise, from warm-up, and from a sawtooth", () => {
  const noise = (i: number) => 5 * Math.sin(i * 7.3);
  assert.ok(!grows(trendOf(series(180, (i) => 100 + noise(i)))));
  assert.ok(grows(trendOf(series(180, (i) => 100 + i / 2 + noise(i)))));
  assert.ok(!grows(trendOf(series(180, (i) => i < 50 ? 50 + i : 100))));
  assert.ok(!grows(trendOf(series(180, (i) => 100 + (i % 30)))));
  assert.ok(!grows(trendOf(series(180, (i) => 200 - i / 2))));
});

Deno.test("trendOf() measures the growth of the last two thirds", () => {
  const { growth, noise, mean } = trendOf(series(31, (i) => 10 + i));
  assert.ok(Math.abs(growth - 20) < 1e-9);
  assert.ok(noise < 1e-9);
  assert.equal(mean, 30);
});

Deno.test("percentile() and lowest() return percentiles and window minimums", () => {
  assert.equal(percentile([3, 1, 2], 0.5), 2);
  assert.equal(percentile([], 0.5), 0);
  assert.deepEqual(lowest([5, 3, 4, 9, 8, 7, 1], 3), [3, 7]);
});
