/** Sends frames that are far too big, in a separate thread so that only the server is measured. */

import { frame, HANDSHAKE, RawConnection } from "../routes/raw.ts";

/** Close codes of the connections; -1 if there was none. */
export interface BigFramesDone {
  readonly whole: readonly number[];
  readonly pieces: number;
}

const port = globalThis as unknown as {
  postMessage(message: BigFramesDone): void;
  onmessage: (event: MessageEvent<{ port: number; bytes: number; rounds: number }>) => void;
};

port.onmessage = async ({ data: { port: target, bytes, rounds } }) => {
  const open = async () => {
    const connection = await RawConnection.open(target);
    await connection.request("/api/v1/stream?device_ids=B", HANDSHAKE);
    await connection.head();
    return connection;
  };
  const big = frame("x".repeat(bytes));
  const whole: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await using sent = await open();
    await sent.write(big).catch(() => {});
    whole.push(await sent.closeCode() ?? -1);
    // Declares a whole frame but sends only a part; the connection then ends.
    await using declared = await open();
    await declared.write(big.subarray(0, 1_000_000));
  }
  await using pieces = await open();
  const piece = "x".repeat(60_000);
  await pieces.write(frame(piece, { fin: false }));
  for (let sent = piece.length; sent < bytes; sent += piece.length) {
    await pieces.write(frame(piece, { opcode: 0, fin: false })).catch(() => {});
  }
  await pieces.write(frame(piece, { opcode: 0 })).catch(() => {});
  port.postMessage({ whole, pieces: await pieces.closeCode() ?? -1 });
};
