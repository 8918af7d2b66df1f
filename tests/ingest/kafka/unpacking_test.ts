import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import kafkajs from "kafkajs";
import Decoder from "kafkajs/src/protocol/decoder.js";
import Encoder from "kafkajs/src/protocol/encoder.js";
import RecordBatch from "kafkajs/src/protocol/recordBatch/v0/index.js";
import Record from "kafkajs/src/protocol/recordBatch/record/v0/index.js";
import decodeMessages from "kafkajs/src/protocol/requests/fetch/v4/decodeMessages.js";
import { registerCodecs } from "../../../ingest/kafka/codecs.ts";
import { fetchBegins, reportTooLarge } from "../../../ingest/kafka/unpacking.ts";

const { RecordBatch: makeBatch } = RecordBatch;
const { GZIP, LZ4, ZSTD } = kafkajs.CompressionTypes;
const MIB = 1024 * 1024;

interface Read {
  readonly offset: string;
  readonly value: Buffer | null;
}

/** A compressed batch of values that starts at an offset. */
async function batch(compression: number, firstOffset: number, values: readonly Buffer[]) {
  const records = values.map((value, offsetDelta) => Record({ offsetDelta, value }));
  const lastOffsetDelta = values.length - 1;
  const { buffer } = await makeBatch({ compression, firstOffset, lastOffsetDelta, records });
  return buffer as Buffer;
}

/** What kafkajs reads from batches in one fetch response. */
function read(...batches: readonly Buffer[]): Promise<Read[]> {
  const bytes = new Encoder().writeBytes(Buffer.concat([...batches]));
  return decodeMessages(new Decoder(bytes.buffer));
}

const shown = (records: readonly Read[]) =>
  records.map(({ offset, value }) => [Number(offset), value && value.length]);

for (const [name, type] of Object.entries({ GZIP, ZSTD })) {
  Deno.test(`a batch of ${name} that unpacks to more than 64 MiB becomes records without values`, async () => {
    registerCodecs();
    const reports: string[] = [];
    reportTooLarge((text) => void reports.push(text));
    fetchBegins();
    const small = Buffer.from("{}");
    const values = [...Array<Buffer>(99).fill(small), Buffer.alloc(65 * MIB)];
    const large = await batch(type, 1_000, values);
    assert.ok(large.length < MIB);
    const records = await read(await batch(type, 999, [small]), large);
    assert.deepEqual(shown(records), [
      [999, 2],
      ...Array.from({ length: 100 }, (_, i) => [1_000 + i, null]),
    ]);
    assert.deepEqual(reports, [
      "100 records of one batch are skipped: they unpack to more than 64 MiB",
    ]);
  });
}

Deno.test("a fetch unpacks up to 64 MiB and leaves the rest to the next fetch", async () => {
  registerCodecs();
  const batches = await Promise.all(
    [0, 1, 2, 3].map((offset) => batch(ZSTD, offset, [Buffer.alloc(40 * MIB)])),
  );
  fetchBegins();
  assert.deepEqual(shown(await read(...batches)), [[0, 40 * MIB], [1, 40 * MIB]]);
  fetchBegins();
  assert.deepEqual(shown(await read(...batches.slice(2))), [[2, 40 * MIB], [3, 40 * MIB]]);
});

Deno.test("a broken batch is not treated as a batch that is too large", async () => {
  registerCodecs();
  fetchBegins();
  const bytes = await batch(LZ4, 0, [Buffer.from("{}")]);
  bytes.fill(0xff, 61 + 4);
  await assert.rejects(read(bytes));
});
