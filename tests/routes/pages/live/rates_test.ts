import assert from "node:assert/strict";
import { Rates } from "../../../../routes/pages/ops/rates.ts";
import { sourceRows } from "../../../../routes/pages/ops/sources_view.ts";
import type { InstanceStats, Stats } from "../../../../routes/pages/ops/stats.ts";

const instance = (id: string, messages: number, more: Partial<InstanceStats> = {}) => ({
  id,
  messages,
  subscribers: 2,
  devices: 3,
  silent_ms: 0,
  pending: 3.5,
  sent: messages * 2,
  dropped: 0,
  sources: [{ name: "mqtt", state: "stopped", received: messages }],
  ...more,
});

const stats = (instances: InstanceStats[], answering = instances[0]!.id) => ({
  instance: answering,
  instances,
  sources: [],
} as unknown as Stats);

Deno.test("Rates are sums over the instances, whichever one answers", () => {
  const rates = new Rates();
  rates.add(stats([instance("a", 1_000), instance("b", 50)], "a"), 10_000);
  assert.equal(rates.latest("in"), null);
  rates.add(stats([instance("b", 150), instance("a", 1_400)], "b"), 12_000);
  assert.equal(rates.latest("in"), 250);
  assert.equal(rates.latest("out"), 500);
  assert.equal(rates.latest("clients"), 4);
  assert.equal(rates.latest("pending"), 7);
  assert.equal(rates.ofInstance("b", "messages"), 50);
  assert.equal(rates.ofSource("a", "mqtt"), 200);
  assert.deepEqual(rates.series("in"), [null, 250]);
  assert.deepEqual(rates.times, [10, 12]);
});

Deno.test("an instance that restarts or leaves makes no rate negative", () => {
  const rates = new Rates();
  rates.add(stats([instance("a", 1_000), instance("b", 5_000)]), 0);
  rates.add(stats([instance("a", 1_100), instance("b", 5)]), 2_000);
  assert.equal(rates.latest("in"), 50);
  rates.add(stats([instance("a", 1_200)]), 4_000);
  assert.equal(rates.latest("in"), 50);
});

Deno.test("Rates keep five minutes, and average over a few seconds", () => {
  const rates = new Rates();
  for (let at = 0; at <= 400_000; at += 2_000) rates.add(stats([instance("a", at / 1_000)]), at);
  assert.equal(rates.times[0], 100);
  assert.equal(rates.times.length, 151);
  assert.equal(rates.latest("in"), 1);
});

Deno.test("a source has a row for each instance that runs it, and a single row if none does", () => {
  const ofSource = () => undefined;
  const rows = (states: Record<string, string>) =>
    sourceRows(
      stats(
        Object.entries(states).map(([id, state]) =>
          instance(id, 1, { sources: [{ name: "mqtt", state, received: 1 }] })
        ),
        "none",
      ),
      { ofSource },
    ).map(({ instance, source }) => `${source.name} ${instance} ${source.state}`);
  assert.deepEqual(rows({ a: "stopped", b: "connected", c: "stopped" }), ["mqtt b connected"]);
  assert.deepEqual(rows({ a: "stopped", b: "stopped" }), ["mqtt a stopped"]);
  assert.deepEqual(rows({ a: "waiting", b: "connected" }), ["mqtt a waiting", "mqtt b connected"]);
});
