/** Records everything that one instance sends, in order, to compare it with other instances. */

import assert from "node:assert/strict";
import { parseCursor } from "../../broker/messages/message.ts";
import { deviceAndSeq } from "./payload.ts";
import { SseClient } from "./clients/sse_client.ts";

export class OrderProbe implements AsyncDisposable {
  /** `<cursor> <device> <number>` of each message. */
  readonly seen: string[] = [];
  #client!: SseClient;

  /** Opens the stream of all devices at `url`, the stream address of one instance. */
  static async open(url: string): Promise<OrderProbe> {
    const probe = new OrderProbe();
    probe.#client = await SseClient.open(`${url}?device_ids=*`, {
      onEvent: ({ event, data, id }) => {
        if (event !== "message") return;
        const { deviceId, seq } = deviceAndSeq(data);
        probe.seen.push(`${id} ${deviceId} ${seq}`);
      },
    });
    return probe;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.close();
  }
}

/** Fails unless all saw the same `count` messages, in the same order, at consecutive positions. */
export function assertOneOrder(probes: readonly OrderProbe[], count: number): void {
  const [first, ...others] = probes;
  assert.equal(first!.seen.length, count);
  const offsets = first!.seen.map((line) => parseCursor(line.split(" ")[0]!)!.offset);
  offsets.forEach((offset, i) => assert.equal(offset, offsets[0]! + i, "a gap in the positions"));
  for (const { seen } of others) {
    const at = seen.findIndex((line, i) => line !== first!.seen[i]);
    assert.equal(at, -1, `instances differ at ${at}: ${first!.seen[at]} and ${seen[at]}`);
    assert.equal(seen.length, count);
  }
}
