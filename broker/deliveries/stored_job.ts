/** How a delivery is stored: under its partition and the offset of the message that caused it. */

import type { KvEntry, KvKey } from "../store/kv_client.ts";
import { decodeJson, encodeJson } from "../store/stored_json.ts";
import type { Delivery, DeliveryInfo } from "./delivery.ts";

/** The stored value; fields about attempts are missing if it was never tried. */
export interface JobValue {
  readonly kind: string;
  readonly data: unknown;
  /** When it was created, in ms since 1970. */
  readonly time?: number;
  readonly attempts?: number;
  /** Not to be tried before this time, in ms since 1970. */
  readonly notBefore?: number;
  /** When the current series of failed attempts started, in ms since 1970. */
  readonly failingSince?: number | undefined;
  readonly reason?: string;
}

export const DELIVERY_PREFIX: KvKey = ["delivery"];
export const DEAD_PREFIX: KvKey = ["delivery_dead"];

/** A job as it is stored in the queue, or among the dead ones. */
export class StoredJob {
  readonly partition: string;
  readonly offset: number;
  readonly value: JobValue;

  constructor(readonly entry: KvEntry) {
    this.partition = String(entry.key[1]);
    this.offset = Number(entry.key[2]);
    this.value = decodeJson(entry.value) as JobValue;
  }

  get id(): string {
    return deliveryId(this.partition, this.offset);
  }

  get check(): { key: KvKey; versionstamp: string } {
    return { key: this.entry.key, versionstamp: this.entry.versionstamp };
  }

  /** Whether it may be tried at `now`, in ms since 1970. */
  isDue(now: number): boolean {
    return (this.value.notBefore ?? 0) <= now;
  }

  get delivery(): Delivery {
    const { id, partition, value: { kind, data, attempts = 0 } } = this;
    return { id, partition, kind, data, attempts };
  }

  info(state: DeliveryInfo["state"]): DeliveryInfo {
    const { kind, attempts = 0, reason = null } = this.value;
    return { id: this.id, kind, state, attempts, reason };
  }

  /** The value with some of it changed, encoded. */
  with(change: Partial<JobValue>): Uint8Array {
    return encodeJson({ ...this.value, ...change });
  }
}

/** Needs no escaping in a URL path. */
export function deliveryId(partition: string, offset: number): string {
  const name = btoa(encodeURIComponent(partition)).replaceAll("+", "-").replaceAll("/", "_");
  return `${offset.toString(36)}.${name.replaceAll("=", "")}`;
}

/** The partition and offset in an id; undefined if the id is invalid. */
export function parseDeliveryId(id: string): { partition: string; offset: number } | undefined {
  const parts = /^([0-9a-z]+)\.([A-Za-z0-9_-]*)$/.exec(id);
  if (!parts) return undefined;
  try {
    const offset = parseInt(parts[1]!, 36);
    const name = parts[2]!.replaceAll("-", "+").replaceAll("_", "/");
    const partition = decodeURIComponent(atob(name));
    return deliveryId(partition, offset) === id ? { partition, offset } : undefined;
  } catch {
    return undefined;
  }
}
