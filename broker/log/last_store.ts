/** The last message of each device in the store, written some time after the log. */

import type { KvClient } from "../store/kv_client.ts";
import { LAST_PREFIX, LAST_UPTO, lastKey } from "../store/kv_keys.ts";
import { packFrame, readHeader, unpackFrame } from "./log_frame.ts";
import { decodeJson, encodeJson } from "../store/stored_json.ts";
import { Epoch, type Publication } from "../messages/message.ts";
import type { MessageLog } from "./message_log.ts";

const PAGE_ENTRIES = 500;

const MAX_COMMIT_ENTRIES = 900;
/** Small commits, so that an append between two of them does not wait long. */
const MAX_COMMIT_BYTES = 200_000;
const NO_WRITER = "--------";

interface Upto {
  readonly epoch: string;
  readonly offset: number;
}

/**
 * Keeps `[last, device]` for devices with messages newer than `[last_upto]`. Every instance knows
 * them all from the log, so whichever instance writes them, the store is complete up to that
 * offset.
 */
export class LastStore {
  /** Newest publication of each device beyond {@linkcode LastStore.upto}. */
  #dirty = new Map<string, Publication>();
  #upto = 0;
  /** Offset of the newest publication that this instance knows. */
  #position = 0;
  #stamp: string | null = null;
  #known = false;
  /** Counts the resets: work begun before a reset does not apply to the log after it. */
  #life = 0;

  constructor(private readonly kv: KvClient, private readonly log: MessageLog) {}

  /**
   * Offset up to which the last messages in the store are complete, as far as this instance knows.
   */
  get upto(): number {
    return this.#upto;
  }

  get dirtyCount(): number {
    return this.#dirty.size;
  }

  add(publication: Publication): void {
    this.#position = publication.offset;
    // Another instance was faster and may have written a newer message of the device.
    if (publication.offset <= this.#upto) return;
    this.#dirty.set(publication.deviceId, publication);
  }

  /** Drops every change so far, because its log is gone; `position` is where the new one starts. */
  reset(position: number): void {
    this.#dirty.clear();
    this.#upto = position;
    this.#position = position;
    this.#known = false;
    this.#life++;
  }

  /** Reads every device's last message, and the offset up to which they are complete. */
  async load(epoch: Epoch, onPublication: (publication: Publication) => void): Promise<number> {
    this.reset(0);
    await this.#readUpto(epoch);
    await this.read(epoch, onPublication);
    return this.#upto;
  }

  /** Reads every device's last message, complete at least up to the log's floor. */
  async read(epoch: Epoch, onPublication: (publication: Publication) => void): Promise<void> {
    let after: readonly (string | number)[] | undefined;
    for (;;) {
      const page = await this.kv.list(
        { prefix: LAST_PREFIX },
        { limit: PAGE_ENTRIES, ...(after ? { after } : {}) },
      );
      for (const entry of page) onPublication(decodeLast(entry.value, epoch));
      if (page.length < PAGE_ENTRIES) return;
      after = page.at(-1)!.key;
    }
  }

  /** Writes what is dirty; returns false if another instance was faster. */
  async flush(epoch: Epoch): Promise<boolean> {
    const life = this.#life;
    if (!this.#known) await this.#readUpto(epoch);
    // The database was replaced, and this instance has not noticed it yet.
    if (life !== this.#life || !this.#known) return false;
    const position = this.#position;
    // The store is ahead of this instance, which has not read yet what others wrote.
    if (position <= this.#upto) return true;
    const publications = [...this.#dirty.values()];
    for (let i = 0; i < publications.length || i === 0;) {
      const sets = [];
      let bytes = 0;
      while (
        i < publications.length && sets.length < MAX_COMMIT_ENTRIES && bytes < MAX_COMMIT_BYTES
      ) {
        const value = encodeLast(publications[i]!);
        bytes += value.length;
        sets.push({ key: lastKey(publications[i]!.deviceId), value });
        i++;
      }
      const done = i >= publications.length;
      const upto: Upto = { epoch: epoch.id, offset: done ? position : this.#upto };
      const result = await this.kv.commit({
        checks: [{ key: LAST_UPTO, versionstamp: this.#stamp }],
        sets: [...sets, { key: LAST_UPTO, value: encodeJson(upto) }],
      });
      if (life !== this.#life) return false;
      if (!result.ok) {
        this.#known = false;
        return false;
      }
      this.#stamp = result.versionstamp;
      if (done) break;
    }
    this.#upto = position;
    for (const publication of publications) {
      if (this.#dirty.get(publication.deviceId) === publication) {
        this.#dirty.delete(publication.deviceId);
      }
    }
    return true;
  }

  async #readUpto(epoch: Epoch): Promise<void> {
    const life = this.#life;
    const entry = await this.kv.get(LAST_UPTO);
    if (life !== this.#life) return;
    const upto = entry && decodeJson(entry.value) as Upto;
    this.#stamp = entry?.versionstamp ?? null;
    this.#known = !upto || upto.epoch === epoch.id;
    if (!upto || !this.#known) return;
    if (upto.offset < this.#upto) {
      // The database was replaced by an older copy.
      for (const last of this.log.lastOfAll()) {
        if (last.epoch.id === epoch.id) this.#dirty.set(last.deviceId, last);
      }
    }
    this.#upto = upto.offset;
    for (const [deviceId, publication] of this.#dirty) {
      if (publication.offset <= upto.offset) this.#dirty.delete(deviceId);
    }
  }
}

/** The id of the epoch, followed by a frame with the message; its `batch` is the offset. */
function encodeLast(publication: Publication): Uint8Array {
  const { deviceId, payload, hasUuid, time, offset, epoch } = publication;
  const { bytes } = packFrame(
    { writer: NO_WRITER, batch: offset, logTime: 0, time },
    [{ deviceId, payload, uuid: hasUuid ? "" : undefined }],
    0,
  );
  const id = encodeJson(epoch.id);
  const value = new Uint8Array(1 + id.length + bytes.length);
  value[0] = id.length;
  value.set(id, 1);
  value.set(bytes, 1 + id.length);
  return value;
}

function decodeLast(value: Uint8Array, epoch: Epoch): Publication {
  const start = 1 + value[0]!;
  const id = decodeJson(value.subarray(1, start)) as string;
  const frame = value.subarray(start);
  const from = id === epoch.id ? epoch : new Epoch(id);
  return unpackFrame(frame, from, readHeader(frame).batch)[0]!;
}
