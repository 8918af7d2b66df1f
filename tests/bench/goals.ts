/** The goals for Telecast, checked within one run: ratios hold on any machine. */

import type { Measured, Results } from "./results.ts";

interface Goal {
  readonly name: string;
  /** A result of Telecast. */
  readonly what: string;
  /** The result to divide it by; if omitted, the value itself is compared. */
  readonly by?: { readonly target: Measured; readonly what?: string };
  readonly atLeast?: number;
  readonly atMost?: number;
  /** With fewer cores, a miss is reported as `too few cores`. */
  readonly needsCores?: number;
}

const fastapi = { target: "fastapi" } as const;
const raw = { target: "raw deno" } as const;
const bare = { target: "bare client" } as const;

export const GOALS: readonly Goal[] = [
  { name: "1:1, WebSocket : FastAPI", what: "1:1, ws", by: fastapi, atLeast: 5 },
  { name: "1:1, SSE : FastAPI", what: "1:1, sse", by: fastapi, atLeast: 5 },
  { name: "x200, WebSocket : FastAPI", what: "x200, ws", by: fastapi, atLeast: 3 },
  { name: "x200, SSE : FastAPI", what: "x200, sse", by: fastapi, atLeast: 60 },
  {
    name: "x200, batch_ms=20 : FastAPI without",
    what: "x200, ws, batch_ms=20",
    by: { ...fastapi, what: "x200, ws" },
    atLeast: 12,
  },
  { name: "x200, WebSocket : raw Deno", what: "x200, ws", by: raw, atLeast: 0.85 },
  { name: "x200, SSE : raw Deno", what: "x200, sse", by: raw, atLeast: 0.85 },
  { name: "MQTT QoS 0 alone : bare mqtt.js", what: "MQTT, QoS 0", by: bare, atLeast: 0.6 },
  { name: "Kafka alone : bare kafkajs", what: "Kafka", by: bare, atLeast: 0.6 },
  { name: "1:1, WebSocket at half, p50 ms", what: "1:1, ws at 50 %, p50", atMost: 3 },
  { name: "1:1, WebSocket at half, p99 ms", what: "1:1, ws at 50 %, p99", atMost: 20 },
  { name: "1:1, SSE at half, p50 ms", what: "1:1, sse at 50 %, p50", atMost: 3 },
  { name: "1:1, SSE at half, p99 ms", what: "1:1, sse at 50 %, p99", atMost: 20 },
  { name: "x200, WebSocket at half, p50 ms", what: "x200, ws at 50 %, p50", atMost: 3 },
  { name: "x200, WebSocket at half, p99 ms", what: "x200, ws at 50 %, p99", atMost: 20 },
  {
    name: "KB an idle WebSocket, 10,000",
    what: "memory of an idle connection, ws, 10,000",
    atMost: 25,
  },
  {
    name: "µs a message, 10,000 devices : 10",
    what: "a message, 10000 devices",
    by: { target: "telecast", what: "a message, 10 devices" },
    atMost: 1.2,
  },
  {
    name: "µs a message, 100,000 other ids : 100",
    what: "a message, 100000 other ids asked for",
    by: { target: "telecast", what: "a message, 100 other ids asked for" },
    atMost: 1.2,
  },
  {
    name: "two threads : one",
    what: "x200, ws, 2 threads",
    by: { target: "telecast", what: "x200, ws, 1 thread" },
    atLeast: 1.6,
    needsCores: 6,
  },
  { name: "start to ready, ms", what: "start to ready", atMost: 1_000 },
];

export interface Verdict {
  readonly name: string;
  readonly value: number;
  readonly wanted: string;
  readonly verdict: "yes" | "NO" | "too few cores";
}

/** The goals whose results were measured. */
export function verdicts(results: Results, cores: number): Verdict[] {
  return GOALS.flatMap(({ name, what, by, atLeast, atMost, needsCores = 0 }) => {
    const ours = results.median("telecast", what);
    const theirs = by ? results.median(by.target, by.what ?? what) : 1;
    if (ours === undefined || !theirs) return [];
    const value = ours / theirs;
    const met = atLeast === undefined ? value <= atMost! : value >= atLeast;
    const verdict = met ? "yes" : cores < needsCores ? "too few cores" : "NO";
    const wanted = atLeast === undefined ? `<= ${atMost}` : `>= ${atLeast}`;
    return [{ name, value, wanted, verdict }];
  });
}
