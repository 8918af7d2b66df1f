/** Fetches what the broker and the group know about the partitions of topics. */

import type { Admin } from "kafkajs";
import { nameOf, type PartitionOffsets } from "./partition.ts";

/** Keyed by `nameOf(topic, partition)`. */
export async function fetchOffsets(
  admin: Admin,
  groupId: string,
  topics: string[],
): Promise<Map<string, PartitionOffsets>> {
  const offsets = new Map<string, PartitionOffsets>();
  if (topics.length === 0) return offsets;
  const committed = await admin.fetchOffsets({ groupId, topics });
  for (const { topic, partitions } of committed) {
    const ends = new Map(
      (await admin.fetchTopicOffsets(topic)).map((end) => [end.partition, end]),
    );
    for (const { partition, offset, metadata } of partitions) {
      const end = ends.get(partition);
      if (!end) continue;
      offsets.set(nameOf(topic, partition), {
        low: Number(end.low),
        high: Number(end.high),
        committed: Number(offset),
        metadata,
      });
    }
  }
  return offsets;
}
