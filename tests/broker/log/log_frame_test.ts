import assert from "node:assert/strict";
import {
  compressFrame,
  decompressFrame,
  packFrame,
  readHeader,
  unpackFrame,
} from "../../../broker/log/log_frame.ts";
import { Epoch, type Message } from "../../../broker/messages/message.ts";
import { Random } from "../simulation/random.ts";

const HEADER = { writer: "abcdefgh", batch: 12, logTime: 34.5, time: 1_700_000_000_123 };
const EPOCH = new Epoch("test");
const MAX_VALUE_BYTES = 65_536;

function packAll(entries: readonly Message[]): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let i = 0; i < entries.length;) {
    const { bytes, count } = packFrame(HEADER, entries, i);
    assert(count > 0 && bytes.length <= MAX_VALUE_BYTES, `${count} in ${bytes.length} bytes`);
    frames.push(bytes);
    i += count;
  }
  return frames;
}

function unpackAll(frames: readonly Uint8Array[], first = 1) {
  return frames.flatMap((bytes) => {
    const publications = unpackFrame(bytes, EPOCH, first);
    first += readHeader(bytes).count;
    return publications;
  });
}

Deno.test("packFrame() keeps header, ids and payloads byte for byte", () => {
  const entries = [
    { deviceId: "a", payload: '{ "x":1.0 }', uuid: "u" },
    { deviceId: "coche-😀", payload: '"ñ 😀 \\u0000"' },
    { deviceId: "", payload: "" },
  ];
  const [frame] = packAll(entries);
  assert.deepEqual(readHeader(frame!), { ...HEADER, count: 3 });
  assert.deepEqual(
    unpackFrame(frame!, EPOCH, 100).map((
      { offset, deviceId, payload, hasUuid, time },
    ) => [offset, deviceId, payload, hasUuid, time]),
    entries.map((
      { deviceId, payload, uuid },
      i,
    ) => [100 + i, deviceId, payload, uuid !== undefined, HEADER.time]),
  );
});

Deno.test("packFrame() splits what does not fit into one value, and loses nothing", () => {
  const random = new Random(3);
  for (let round = 0; round < 30; round++) {
    const largest = random.pick([10, 3_000, 20_000]);
    const letter = random.pick(["x", "ñ", "€"]);
    const entries = Array.from({ length: random.int(1, 200) }, (_, n) => ({
      deviceId: `d${n}`,
      payload: letter.repeat(random.int(0, largest)),
    }));
    const found = unpackAll(packAll(entries));
    assert.deepEqual(found.map(({ payload }) => payload), entries.map(({ payload }) => payload));
    assert.deepEqual(found.map(({ offset }) => offset), entries.map((_, i) => i + 1));
  }
});

Deno.test("packFrame() accepts the largest possible message", () => {
  const largest = { deviceId: "😀".repeat(128), payload: "€".repeat(20_000) };
  assert.equal(packAll([largest, largest, largest]).length, 3);
});

Deno.test("unpackFrame() builds only what is wanted", () => {
  const [frame] = packAll(["a", "b", "a"].map((deviceId) => ({ deviceId, payload: "1" })));
  const wanted = (deviceId: string, offset: number) => deviceId === "a" && offset > 5;
  assert.deepEqual(unpackFrame(frame!, EPOCH, 5, wanted).map(({ offset }) => offset), [7]);
});

Deno.test("readHeader() rejects an unknown version", () => {
  const [frame] = packAll([{ deviceId: "a", payload: "1" }]);
  frame![0] = 99;
  assert.throws(() => readHeader(frame!), /99/);
});

Deno.test("compressFrame() makes a frame smaller, and decompressFrame() restores every byte", () => {
  const entries = Array.from({ length: 200 }, (_, n) => ({
    deviceId: `d${n}`,
    payload: JSON.stringify({ n, text: "ñ 😀".repeat(20) }),
  }));
  const [frame] = packAll(entries);
  const compressed = compressFrame(frame!);
  assert(compressed.length < frame!.length / 2, `${compressed.length} of ${frame!.length}`);
  assert.deepEqual(decompressFrame(compressed), frame);
});

Deno.test("compressFrame() leaves frames unchanged that are small or do not shrink", () => {
  const [small] = packAll([{ deviceId: "a", payload: "1" }]);
  assert.equal(compressFrame(small!), small);
  const noise = crypto.getRandomValues(new Uint8Array(20_000));
  assert.equal(compressFrame(noise), noise);
  assert.equal(decompressFrame(small!), small);
});

Deno.test("decompressFrame() reports a damaged frame, and limits the size of its output", () => {
  const bomb = new Uint8Array(60_000);
  const compressed = compressFrame(bomb);
  const bytes = compressed.slice();
  bytes.fill(255, 35);
  assert.throws(() => decompressFrame(bytes), /a frame is damaged/);
  assert.throws(
    () => decompressFrame(compressFrame(new Uint8Array(1_000_000))),
    /a frame is damaged/,
  );
});
