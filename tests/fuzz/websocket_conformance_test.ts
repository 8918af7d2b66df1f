/**
 * The conformance cases on the production server: each in one write, frame by frame, and chopped.
 */

import assert from "node:assert/strict";
import { clientClose, concat } from "../kit/clients/client_frames.ts";
import { eventually } from "../kit/eventually.ts";
import { EchoServer } from "../kit/servers/ws_echo.ts";
import { HANDSHAKE, RawConnection } from "../routes/raw.ts";
import type { ConformanceCase } from "./payloads.ts";
import { CONFORMANCE_CASES, inPieces } from "./websocket_conformance.ts";

const MAX_MESSAGE_BYTES = 1_048_576;
/** The server ends the connection within this time after the client's last frame. */
const AT_ONCE_MS = 1_000;

/** How the bytes of a case are split: all at once, by frame, or in chunks of a fixed size. */
const CHOPS: Readonly<Record<string, (sent: readonly Uint8Array[]) => readonly Uint8Array[]>> = {
  "at once": (sent) => [concat(...sent)],
  "frame by frame": (sent) => sent,
  "chopped": (sent) => {
    const bytes = concat(...sent);
    const size = bytes.length <= 1_024 ? 1 : 997;
    return Array.from(
      { length: Math.ceil(bytes.length / size) },
      (_, i) => bytes.subarray(i * size, (i + 1) * size),
    );
  },
};

/** Cases that may end differently, each with the reason. */
const EXCEPTIONS: Readonly<
  Record<string, { readonly reason: string; readonly closeCode: number }>
> = {};

async function run(port: number, { sent, echoed, closeCode, id }: ConformanceCase, chop: string) {
  await using connection = await RawConnection.open(port);
  await connection.request("/", HANDSHAKE);
  assert.equal((await connection.head()).status, 101);
  for (const bytes of CHOPS[chop]!(sent)) await connection.write(bytes);
  for (const [opcode, payload] of echoed) {
    const frame = await connection.frame();
    assert.deepEqual({ ...frame, payload: frame?.payload.length }, {
      opcode,
      payload: payload.length,
    });
    assert.deepEqual(frame!.payload, payload);
  }
  if (closeCode === undefined) await connection.write(clientClose(1000));
  const close = await connection.frame();
  assert.equal(close?.opcode, 8, "it is not closed");
  const code = close.payload[0]! * 256 + close.payload[1]!;
  assert.equal(code, EXCEPTIONS[id]?.closeCode ?? closeCode ?? 1000);
  const startedAt = performance.now();
  const hasClosed = closeCode === undefined || sent.some((frame) => frame[0] === 0x88);
  if (!hasClosed) await connection.write(clientClose(code));
  assert.equal(await connection.frame(), undefined, "something follows the close");
  assert.ok(performance.now() - startedAt < AT_ONCE_MS, "the connection ends late");
}

Deno.test("each case of the conformance suite passes, however its bytes are split", async (t) => {
  await using echo = new EchoServer({ maxMessageBytes: MAX_MESSAGE_BYTES });
  assert.ok(CONFORMANCE_CASES.length > 150, "cases are missing");
  for (const each of CONFORMANCE_CASES) {
    await t.step(`${each.id}: ${each.title}`, async () => {
      for (const chop of Object.keys(CHOPS)) {
        await run(echo.port, each, chop).catch((error) => {
          throw new Error(`${chop}: ${error.message}`, { cause: error });
        });
      }
    });
  }
  await eventually("every connection is closed", () => echo.open === 0);
});

Deno.test("a message of 128 KB is echoed unchanged, whatever the size of frames and chunks", async () => {
  await using echo = new EchoServer({ maxMessageBytes: MAX_MESSAGE_BYTES });
  const payload = new TextEncoder().encode("Größe ".repeat(16_384));
  for (const frameBytes of [1_024, 4_096, 65_536, payload.length]) {
    for (const chopBytes of [1_021, 65_536]) {
      await using connection = await RawConnection.open(echo.port);
      await connection.request("/", HANDSHAKE);
      await connection.head();
      const sent = concat(...inPieces(payload, frameBytes));
      for (let at = 0; at < sent.length; at += chopBytes) {
        await connection.write(sent.subarray(at, at + chopBytes));
      }
      const frame = await connection.frame();
      assert.deepEqual(frame!.payload, payload);
      await connection.write(clientClose(1000));
      assert.equal(await connection.closeCode(), 1000);
    }
  }
});
