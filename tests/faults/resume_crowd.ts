/** A worker with many clients that resume from one cursor at the same time. */

/// <reference lib="deno.worker" />

import { parseWsFrame } from "../kit/received.ts";
import { FrameSplitter } from "../kit/clients/slow_client.ts";

export interface CrowdOptions {
  readonly port: number;
  readonly clients: number;
  readonly devices: number;
}

/** How often each `resumed` answer came, and when the first and the last client had theirs. */
export interface CrowdResult {
  readonly resumed: Record<string, number>;
  readonly firstMs: number;
  readonly lastMs: number;
}

/** Connections opened at the same time. */
const OPENING = 100;
/** The clients resume spread over this time. */
const WITHIN_MS = 1_000;

async function begin({ port, clients, devices }: CrowdOptions): Promise<void> {
  const connections: Deno.TcpConn[] = [];
  while (connections.length < clients) {
    const opened = Array.from({ length: OPENING }, () => Deno.connect({ port, hostname: HOST }));
    connections.push(...await Promise.all(opened));
  }
  self.onmessage = async ({ data: { cursor } }) => {
    const startedAt = performance.now();
    const results = await Promise.all(
      connections.map(async (conn, i) => {
        await new Promise((go) => setTimeout(go, i / clients * WITHIN_MS));
        return await resume(conn, `d${i % devices}`, cursor);
      }),
    );
    const times = results.map(({ at }) => at - startedAt);
    const resumed: Record<string, number> = {};
    for (const { answer } of results) resumed[answer] = (resumed[answer] ?? 0) + 1;
    self.postMessage({ resumed, firstMs: Math.min(...times), lastMs: Math.max(...times) });
    for (const conn of connections) conn.close();
    self.close();
  };
  self.postMessage("connected");
}

const HOST = "127.0.0.1";

/** Resolves with the `resumed` answer after the replay, or with the first message out of order. */
async function resume(conn: Deno.TcpConn, deviceId: string, since: string) {
  await conn.write(new TextEncoder().encode(
    `GET /api/v1/stream?device_ids=${deviceId}&since=${since} HTTP/1.1\r\nHost: ${HOST}\r\n` +
      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
      "Sec-WebSocket-Key: dGVsZWNhc3QgaXMgaGVyZQ==\r\n\r\n",
  ));
  const frames = new FrameSplitter();
  const buffer = new Uint8Array(65_536);
  let head = "";
  let messages = 0;
  for (;;) {
    const count = await conn.read(buffer);
    if (count === null) return { answer: `closed after ${messages}`, at: performance.now() };
    let bytes = buffer.subarray(0, count);
    if (!head.endsWith("\r\n\r\n")) {
      const text = new TextDecoder("latin1").decode(bytes);
      const end = (head + text).indexOf("\r\n\r\n");
      if (end < 0) {
        head += text;
        continue;
      }
      bytes = bytes.subarray(end + 4 - head.length);
      head = (head + text).slice(0, end + 4);
    }
    for (const text of frames.push(bytes)) {
      const { event, data } = parseWsFrame(text);
      if (event === "message" && JSON.parse(data).data.SEQ !== ++messages) {
        return { answer: `${data.slice(0, 60)} as message ${messages}`, at: performance.now() };
      }
      if (event === "resumed") return { answer: data, at: performance.now() };
    }
  }
}

self.onmessage = ({ data }) => begin(data);
