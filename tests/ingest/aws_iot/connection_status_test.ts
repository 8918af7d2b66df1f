import assert from "node:assert/strict";
import {
  ConnectionStatus,
  type ConnectionStatusName,
} from "../../../ingest/aws_iot/connection_status.ts";
import { ManualClock } from "./manual_clock.ts";

function status() {
  const clock = new ManualClock();
  const breaker: string[] = [];
  const status = new ConnectionStatus({
    maxTries: 5,
    monotonic: () => clock.monotonic(),
    onBreaker: (open, reason) => breaker.push(`${open ? "open" : "closed"}: ${reason}`),
  });
  const fail = () => {
    status.update({ state: "connecting" });
    status.update({ state: "waiting", reason: "no", retryMs: 1 });
  };
  const connect = () => {
    status.update({ state: "connecting" });
    status.update({ state: "connected" });
  };
  return { clock, status, breaker, fail, connect };
}

Deno.test("ConnectionStatus opens the breaker after five failed retries, until it connects", () => {
  const { status: now, breaker, fail, connect } = status();
  assert.equal(now.name, "disconnected");
  const seen: [ConnectionStatusName, number][] = [];
  for (let i = 0; i < 7; i++) {
    fail();
    seen.push([now.name, now.attempts]);
  }
  assert.deepEqual(seen, [
    ["reconnecting", 0],
    ["reconnecting", 1],
    ["reconnecting", 2],
    ["reconnecting", 3],
    ["reconnecting", 4],
    ["circuit_open", 5],
    ["circuit_open", 6],
  ]);
  assert.deepEqual(breaker, ["open: no"]);
  connect();
  assert.deepEqual([now.name, now.attempts, now.reason], ["connected", 0, undefined]);
  assert.equal(breaker.length, 2);
  assert.equal(now.opened, 1);
});

Deno.test("ConnectionStatus counts a connection that ends at once as one more failure", () => {
  const { status: now, fail, connect, clock } = status();
  for (let i = 0; i < 5; i++) fail();
  connect();
  clock.advance(9_000);
  now.update({ state: "waiting", reason: "gone", retryMs: 1 });
  assert.equal(now.name, "circuit_open");
  connect();
  clock.advance(11_000);
  now.update({ state: "waiting", reason: "gone", retryMs: 1 });
  assert.equal(now.name, "reconnecting");
});
