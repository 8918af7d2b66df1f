/** Tests that every OutboundBuffer must pass. */

import assert from "node:assert/strict";
import type {
  BufferLimits,
  OnDropped,
  Outbound,
  OutboundBuffer,
} from "../../../ingest/aws_iot/outbound_buffer.ts";
import { ManualClock } from "./manual_clock.ts";

export interface BufferUnderTest extends AsyncDisposable {
  open(options: { clock: ManualClock; limits: BufferLimits; onDropped: OnDropped }): OutboundBuffer;
}

export function message(name: string, clock: ManualClock, payload = `{"n":"${name}"}`): Outbound {
  return { id: name, topic: "t", payload, deviceId: "d", joinsStream: true, at: clock.wall() };
}

export async function contents(buffer: OutboundBuffer): Promise<string[]> {
  const found: string[] = [];
  let after = 0;
  for (;;) {
    const page = await buffer.page(after, 7);
    if (page.length === 0) return found;
    found.push(...page.map(({ message }) => message.id));
    after = page.at(-1)!.seq;
  }
}

const names = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => `m${from + i}`);

export function bufferSuite(name: string, make: () => Promise<BufferUnderTest>): void {
  const test = (
    title: string,
    run: (kit: {
      buffer: OutboundBuffer;
      reopen: () => OutboundBuffer;
      clock: ManualClock;
      dropped: string[];
      append: (from: number, to: number) => Promise<number[]>;
    }) => Promise<void>,
    limits: BufferLimits = { maxMessages: 1_000, maxAgeMs: 60_000 },
  ) =>
    Deno.test(`${name} ${title}`, async () => {
      await using kit = await make();
      const clock = new ManualClock();
      const dropped: string[] = [];
      const onDropped: OnDropped = (count, reason) => dropped.push(`${count} ${reason}`);
      const reopen = () => kit.open({ clock, limits, onDropped });
      const buffer = reopen();
      const append = (from: number, to: number) =>
        buffer.append(names(from, to).map((one) => message(one, clock)));
      await run({ buffer, reopen, clock, dropped, append });
    });

  test("keeps the order of appends across pages", async ({ buffer, append }) => {
    const seqs = [...await append(1, 20), ...await append(21, 21), ...await append(22, 150)];
    assert.deepEqual(seqs.toSorted((a, b) => a - b), seqs);
    assert.equal(new Set(seqs).size, 150);
    assert.deepEqual(await contents(buffer), names(1, 150));
    assert.equal(buffer.size, 150);
  });

  test("removes the given messages and no others", async ({ buffer, append }) => {
    const seqs = await append(1, 5);
    await buffer.remove([seqs[0]!, seqs[2]!]);
    assert.deepEqual(await contents(buffer), ["m2", "m4", "m5"]);
    await buffer.remove(seqs);
    assert.deepEqual(await contents(buffer), []);
    assert.equal(buffer.size, 0);
    await append(6, 6);
    assert.deepEqual(await contents(buffer), ["m6"]);
  });

  test("drops the oldest messages if there are too many, and counts them", async (kit) => {
    await kit.append(1, 8);
    await kit.append(9, 13);
    assert.deepEqual(await contents(kit.buffer), names(4, 13));
    assert.deepEqual(kit.dropped, ["3 too many"]);
    assert.equal(kit.buffer.size, 10);
  }, { maxMessages: 10, maxAgeMs: 60_000 });

  test("drops messages that are too old when it is read, and counts them", async (kit) => {
    await kit.append(1, 30);
    kit.clock.advance(40_000);
    await kit.append(31, 33);
    kit.clock.advance(30_000);
    assert.deepEqual(await contents(kit.buffer), names(31, 33));
    const total = kit.dropped.reduce((sum, text) => sum + parseInt(text), 0);
    assert.equal(total, 30);
    assert.ok(kit.dropped.every((text) => text.endsWith("too old")));
    assert.equal(kit.buffer.size, 3);
  });

  test("keeps every character of a payload", async ({ buffer, clock }) => {
    const payload = JSON.stringify({ text: '\u{1f692} "\\\n ñ'.repeat(4_000) });
    await buffer.append([message("large", clock, payload)]);
    assert.equal((await buffer.page(0, 1))[0]!.message.payload, payload);
  });
}
