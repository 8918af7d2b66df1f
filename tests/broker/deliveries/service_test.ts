import assert from "node:assert/strict";
import { DeliveryError } from "../../../broker/deliveries/delivery.ts";
import { Service } from "../../../broker/deliveries/service.ts";
import { BackendServer } from "../../kit/servers/backend.ts";
import { eventually } from "../../kit/eventually.ts";

Deno.test("Service reports once that it is unavailable, however often it is tried, and once that it is back", async () => {
  await using server = await BackendServer.start();
  const said: boolean[] = [];
  const service = new Service({
    name: "the backend",
    timeoutMs: 2_000,
    restMs: 20,
    onAway: (away) => said.push(away),
  });
  const call = (): Promise<unknown> =>
    service.call({ method: "GET", url: server.url }).catch((error: unknown) => error);
  server.behave = () => 500;
  for (let i = 0; i < 5; i++) assert.match(String(await call()), /the backend answered 500/);
  const refused = await call();
  assert.ok(refused instanceof DeliveryError);
  assert.deepEqual([refused.message, refused.away], ["the backend is unavailable", true]);
  await eventually("it was tried several times", async () => {
    await call();
    return server.calls.length >= 8;
  });
  assert.deepEqual(said, [true]);
  server.behave = () => 200;
  await eventually("it is back", async () => !((await call()) instanceof Error));
  assert.deepEqual(said, [true, false]);
});

Deno.test("Service distinguishes an unavailable service from a failure: only the latter counts as an attempt", async () => {
  await using server = await BackendServer.start();
  const failure = async (answer: number | "reset" | "stall") => {
    server.behave = () => answer;
    const service = new Service({ name: "it", timeoutMs: 100 });
    const error = await service.call({ method: "GET", url: server.url }).catch((error) => error);
    assert.ok(error instanceof DeliveryError, `${error}`);
    return [error.away, error.permanent];
  };
  for (const answer of [502, 503, 504, "reset", "stall"] as const) {
    assert.deepEqual(await failure(answer), [true, false], `${answer}`);
  }
  for (const answer of [500, 501, 429, 408]) {
    assert.deepEqual(await failure(answer), [false, false]);
  }
  for (const answer of [400, 401, 404, 422]) assert.deepEqual(await failure(answer), [false, true]);
  await server.stop();
  assert.deepEqual(await failure(200), [true, false]);
});
