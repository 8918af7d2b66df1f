/** Collects a device's telemetry for a moment and sends it as one message. */

import type { Clock } from "../../lib/clock.ts";
import type { Receipt } from "./outbox_item.ts";
import { type JsonObject, RawJson, seconds } from "./payload.ts";

export interface BatchOptions {
  readonly maxMs: number;
  readonly maxMessages: number;
}

interface Collected {
  readonly parts: string[];
  readonly receipt: PromiseWithResolvers<Receipt>;
  readonly full: AbortController;
}

/**
 * AWS meters messages in units of 5 KB. The `data` of a batch message is a list of
 * `{"timestamp":…,"data":…}` in the order in which they were added.
 */
export class TelemetryBatcher {
  readonly #collecting = new Map<string, Collected>();

  constructor(
    private readonly options: BatchOptions,
    private readonly clock: Clock,
    private readonly send: (deviceId: string, data: RawJson) => Promise<Receipt>,
  ) {}

  /** Resolves or rejects together with the batch that contains the data. */
  add(deviceId: string, data: JsonObject): Promise<Receipt> {
    const part = `{"timestamp":${seconds(this.clock.wall())},"data":${JSON.stringify(data)}}`;
    let batch = this.#collecting.get(deviceId);
    if (!batch) {
      batch = {
        parts: [],
        receipt: Promise.withResolvers<Receipt>(),
        full: new AbortController(),
      };
      this.#collecting.set(deviceId, batch);
      const { signal } = batch.full;
      this.clock.sleep(this.options.maxMs, signal).then(() => this.#flush(deviceId, signal));
    }
    batch.parts.push(part);
    if (batch.parts.length >= this.options.maxMessages) this.#end(deviceId);
    return batch.receipt.promise;
  }

  /** Sends everything collected so far. */
  flush(): void {
    for (const deviceId of [...this.#collecting.keys()]) this.#end(deviceId);
  }

  #flush(deviceId: string, signal: AbortSignal): void {
    if (!signal.aborted) this.#end(deviceId);
  }

  #end(deviceId: string): void {
    const batch = this.#collecting.get(deviceId);
    if (!batch) return;
    this.#collecting.delete(deviceId);
    batch.full.abort();
    const data = new RawJson(`[${batch.parts.join(",")}]`);
    this.send(deviceId, data).then(batch.receipt.resolve, batch.receipt.reject);
  }
}
