import assert from "node:assert/strict";
import { type StatusSample, statusText } from "../../../routes/reports/status_line.ts";

const calm: StatusSample = {
  at: 0,
  received: 0,
  malformed: 0,
  sent: 0,
  dropped: 0,
  ws: 0,
  sse: 0,
  slow: 0,
  pending: 0,
  store: "ready",
  sources: [],
  residentBytes: 120 * 1_048_576,
};
const source = {
  name: "mqtt",
  kind: "mqtt",
  state: "connected" as const,
  received: 0,
  malformed: 0,
  dropped: 0,
  reconnects: 0,
};

Deno.test("statusText() reports activity, and omits normal states", () => {
  const quiet = statusText(calm, { ...calm, at: 60_000, sources: [source] });
  assert.equal(quiet, "in 0/s, out 0/s, 0 clients (0 ws, 0 sse), mqtt connected, 120 MB");
  const slow = statusText(calm, { ...calm, at: 60_000, received: 30, sent: 60_000, ws: 1 });
  assert.equal(slow, "in 0.5/s, out 1,000/s, 1 client (1 ws, 0 sse), 120 MB");
});

Deno.test("statusText() reports problems: lag, slow clients, drops, an unavailable store", () => {
  const before = { ...calm, at: 1000, dropped: 5, malformed: 2, received: 1000 };
  const now = {
    ...before,
    at: 61_000,
    dropped: 1505,
    malformed: 3,
    received: 1000,
    sse: 2,
    slow: 1,
    pending: 2500,
    store: "away",
    sources: [
      { ...source, name: "kafka", state: "waiting" as const, lag: 1_200_000 },
    ],
  };
  assert.equal(
    statusText(before, now),
    "in 0/s, out 0/s, 2 clients (0 ws, 2 sse), kafka waiting, lag 1,200,000, 1 slow, " +
      "2,500 to be stored, store away, 1,500 dropped, 1 malformed, 120 MB",
  );
});
