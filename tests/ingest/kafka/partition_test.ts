import assert from "node:assert/strict";
import {
  incarnationOf,
  type Partition,
  type PartitionOffsets,
  Partitions,
} from "../../../ingest/kafka/partition.ts";

const offsets = (known: Partial<PartitionOffsets>): PartitionOffsets => ({
  low: 0,
  high: 100,
  committed: -1,
  metadata: null,
  ...known,
});

function latest(): Partitions {
  const partitions = new Partitions("g", false);
  partitions.seen("t", 3);
  return partitions;
}

/** Marks everything up to `offset` as handed over and stored. */
function store(partition: Partition, offset: number): void {
  partition.position = offset;
  partition.stored = offset;
}

Deno.test("Partitions.settle() starts at the end with latest, at the start with earliest", () => {
  assert.equal(latest().settle("t", 0, offsets({})).position, 100);
  const earliest = new Partitions("g", true);
  assert.equal(earliest.settle("t", 0, offsets({ low: 7 })).position, 7);
});

Deno.test("Partitions.settle() reads partitions that were added later from the start", () => {
  assert.equal(latest().settle("t", 3, offsets({})).position, 0);
});

Deno.test("Partitions.settle() takes over the group's offset and incarnation", () => {
  const committed = offsets({ committed: 40, metadata: "telecast:abc" });
  const partitions = latest();
  const settled = partitions.settle("t", 0, committed);
  assert.equal(settled.position, 40);
  assert.deepEqual(settled.sourceOffsetKey, ["kafka", "g", "t", "0", "abc"]);
  assert.deepEqual(partitions.due(), []);
});

Deno.test("Partitions.settle() starts an incarnation if the commit names none", () => {
  const partitions = latest();
  const settled = partitions.settle("t", 0, offsets({ committed: 40, metadata: "" }));
  const [due] = partitions.due();
  assert.equal(due!.offset, "40");
  assert.equal(incarnationOf(due!.metadata), settled.incarnation);
});

Deno.test("Partitions.settle() does not reread records that were already handed over", () => {
  const partitions = latest();
  const first = partitions.settle("t", 0, offsets({}));
  first.committed = 100;
  store(first, 120);
  first.position = 150;
  const { metadata } = first.commit;
  const again = partitions.settle("t", 0, offsets({ committed: 110, metadata, high: 160 }));
  assert.equal(again, first);
  assert.equal(again.position, 150);
  assert.equal(again.lag, 40);
  assert.deepEqual(partitions.due().map(({ offset }) => offset), ["120"]);
});

Deno.test("Partitions.settle() continues after what another member has read", () => {
  const partitions = latest();
  const held = partitions.settle("t", 0, offsets({}));
  held.committed = 100;
  const { metadata } = held.commit;
  partitions.settle("t", 0, offsets({ committed: 300, metadata, high: 300 }));
  assert.equal(held.position, 300);
  assert.deepEqual(partitions.due(), []);
});

Deno.test("Partitions.settle() starts over if the group's offsets are gone or were reset", () => {
  const gone = offsets({ high: 500 });
  const reset = offsets({ committed: 10, metadata: null });
  for (const [now, start] of [[gone, 0], [reset, 10]] as const) {
    const partitions = latest();
    const held = partitions.settle("t", 0, offsets({}));
    store(held, 200);
    held.committed = 200;
    const anew = partitions.settle("t", 0, now);
    assert.notEqual(anew.incarnation, held.incarnation);
    assert.equal(anew.position, start);
    assert.equal(partitions.due().length, 1);
  }
});

Deno.test("Partitions.keepOnly() drops partitions that another member has now", () => {
  const partitions = latest();
  partitions.settle("t", 0, offsets({}));
  partitions.settle("t", 1, offsets({}));
  partitions.keepOnly((_topic, partition) => partition === 1);
  assert.deepEqual([...partitions].map(({ name }) => name), ["t/1"]);
});

Deno.test("Partition.expiredInGap() counts deleted records, not compacted ones", () => {
  const partition = new Partitions("g", true).settle("t", 0, offsets({}));
  partition.noteGap(40);
  assert.equal(partition.expiredInGap(0), 0);
  partition.noteGap(40);
  assert.equal(partition.expiredInGap(30), 30);
  assert.equal(partition.expiredInGap(30), 0);
});

Deno.test("Partitions.detail() reports group, lag and the last commit", () => {
  const partitions = latest();
  const held = partitions.settle("t", 1, offsets({}));
  held.high = 130;
  partitions.lastCommit = new Date(0);
  assert.deepEqual(partitions.detail(), {
    group: "g",
    lag: 30,
    last_commit: "1970-01-01T00:00:00.000Z",
    partitions: [{ topic: "t", partition: 1, stored: 100, committed: null, lag: 30 }],
  });
});
