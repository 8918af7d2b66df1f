/** A crowd of connecting clients, in a separate thread so that only the server is measured. */

import { HANDSHAKE, RawConnection } from "../routes/raw.ts";

export type ToCrowd =
  | { readonly type: "fill"; readonly port: number; readonly clients: number }
  | { readonly type: "flood"; readonly perSecond: number; readonly seconds: number }
  | { readonly type: "leave" };

export interface CrowdDone {
  /** How many answers had each status, since the start. */
  readonly statuses: Readonly<Record<number, number>>;
  readonly seconds: number;
  /** Refusals without a Retry-After header. */
  readonly withoutRetryAfter: number;
}

const self = globalThis as unknown as {
  postMessage(message: CrowdDone): void;
  onmessage: (event: MessageEvent<ToCrowd>) => void;
};
const statuses: Record<number, number> = {};
const inside: RawConnection[] = [];
let port = 0;
let withoutRetryAfter = 0;

/** Tries to open a stream, and stays if it is accepted. */
async function knock(): Promise<void> {
  const connection = await RawConnection.open(port);
  await connection.request("/api/v1/stream?device_ids=B", HANDSHAKE);
  const { status, headers } = await connection.head();
  statuses[status] = (statuses[status] ?? 0) + 1;
  if (status === 101) return void inside.push(connection);
  if (!/^\d+$/.test(headers.get("retry-after") ?? "")) withoutRetryAfter++;
  await connection[Symbol.asyncDispose]();
}

self.onmessage = async ({ data }) => {
  const start = performance.now();
  if (data.type === "fill") {
    port = data.port;
    for (let n = 0; n < data.clients; n += 50) {
      await Promise.all(Array.from({ length: 50 }, knock));
    }
  } else if (data.type === "flood") {
    for (let n = 0; n < data.perSecond * data.seconds; n += 10) {
      const dueMs = n / data.perSecond * 1000 - (performance.now() - start);
      if (dueMs > 0) await new Promise((resolve) => setTimeout(resolve, dueMs));
      await Promise.all(Array.from({ length: 10 }, knock));
    }
  } else {
    for (const connection of inside) await connection[Symbol.asyncDispose]();
  }
  const seconds = (performance.now() - start) / 1000;
  self.postMessage({ statuses: { ...statuses }, seconds, withoutRetryAfter });
};
