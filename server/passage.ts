/** One connection, passed on byte for byte. */

import { closeConn } from "./connection.ts";

const CHUNK_BYTES = 16_384;

/** Resolves when the server has answered all, or either side is gone; both are closed then. */
export async function passOn(
  client: Deno.TcpConn,
  server: Deno.TcpConn,
  first: Uint8Array,
): Promise<void> {
  const up = async () => {
    await writeAll(server, first);
    await copy(client, server);
    await server.closeWrite();
  };
  const down = copy(server, client);
  up().catch(() => closeConn(server));
  await down.catch(() => {});
  closeConn(client);
  closeConn(server);
}

async function copy(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
  const bytes = new Uint8Array(CHUNK_BYTES);
  for (let length; (length = await from.read(bytes)) !== null;) {
    await writeAll(to, bytes.subarray(0, length));
  }
}

async function writeAll(to: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await to.write(bytes.subarray(at));
}
