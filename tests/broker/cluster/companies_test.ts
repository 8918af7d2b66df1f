import assert from "node:assert/strict";
import { Companies } from "../../../broker/cluster/companies.ts";
import { MemoryKv } from "../../../broker/store/memory_kv.ts";
import { FakeClock } from "../../kit/fake_clock.ts";

const ODD = ["constructor", "__proto__", "toString", "hasOwnProperty", "valueOf"];

Deno.test("Companies: any name works, and names that objects inherit are not known by default", async () => {
  const kv = new MemoryKv();
  const clock = new FakeClock();
  await using companies = new Companies(kv, clock);
  await using others = new Companies(kv, clock);
  for (const one of [companies, others]) await one.start();
  for (const id of ODD) {
    assert.equal(companies.has(id), false, id);
    companies.refuse(id);
    companies.refuse(id);
  }
  // As /api/v1/stats returns it.
  const refused = JSON.stringify(Object.fromEntries(companies.refused));
  assert.equal(refused, `{${ODD.map((id) => `"${id}":2`).join(",")}}`);
  for (const id of ODD) await companies.add({ id, name: id });
  await clock.pass(1_000);
  for (const one of [companies, others]) {
    assert.ok(ODD.every((id) => one.has(id)));
    assert.deepEqual(one.all.slice(4).map(({ name }) => name).sort(), [...ODD].sort());
  }
  const closed = [companies, others].map((one) => one[Symbol.asyncDispose]());
  await clock.pass(0);
  await Promise.all(closed);
});
