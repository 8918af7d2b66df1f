/** The keys of the shared store. Every value is a bare Uint8Array. */

import type { KvKey } from "./kv_client.ts";

/** A frame of messages, by the offset of its first message. */
export const logKey = (firstOffset: number): KvKey => ["log", firstOffset];
/** State of the log. Every append changes it, which wakes readers and rejects outdated writers. */
export const HEAD: KvKey = ["head"];
/** The writer that the others wait for. */
export const TURN: KvKey = ["turn"];
/** Written to test whether the disk has room again. */
export const ROOM: KvKey = ["room"];
/** Written to wake watchers after a change beside the log: companies, revocations, deliveries. */
export const WAKE_KEY: KvKey = ["bell"];
/** Id of the deployment. */
export const ID: KvKey = ["id"];
/** The last message of a device. */
export const lastKey = (deviceId: string): KvKey => ["last", deviceId];
export const LAST_PREFIX: KvKey = ["last"];
/** The offset up to which the last messages are complete. */
export const LAST_UPTO: KvKey = ["last_upto"];
/** How far an upstream partition is read. */
export const sourceOffsetKey = (key: readonly string[]): KvKey => ["mark", ...key];
/** Work to be done once. */
export const deliveryKey = (
  partition: string,
  offset: number,
): KvKey => ["delivery", partition, offset];
/** State that is kept of a person who sends messages, by partition. */
export const inboundKey = (partition: string): KvKey => ["inbound", partition];
export const INBOUND_PREFIX: KvKey = ["inbound"];
/** A setting that outlives a process. */
export const settingKey = (name: string): KvKey => ["setting", name];
/** The instance that consumes the sources; changed at a takeover only. */
export const LEASE: KvKey = ["lease", "ingest"];
/** Heartbeat of the lease's owner. */
export const LEASE_BEAT: KvKey = ["lease_beat", "ingest"];
/** Heartbeat of an instance, with its counters. */
export const instanceKey = (id: string): KvKey => ["instance", id];
export const INSTANCE_PREFIX: KvKey = ["instance"];
/** A company. */
export const companyKey = (id: string): KvKey => ["empresa", id];
export const COMPANY_PREFIX: KvKey = ["empresa"];
/** A revoked token, or all tokens of a subject; `id` is a digest. */
export const revokedKey = (kind: "jti" | "sub", id: string): KvKey => ["revoked", kind, id];
export const REVOKED_PREFIX: KvKey = ["revoked"];
