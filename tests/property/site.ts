/** Instances with their hubs on one store, in virtual time; and the true log. */

import { setImmediate } from "node:timers";
import { Hub } from "../../broker/streams/hub.ts";
import { KvFanout } from "../../broker/log/kv_fanout.ts";
import { HEAD } from "../../broker/store/kv_keys.ts";
import { decodeHead } from "../../broker/log/log_head.ts";
import type { KvCommit } from "../../broker/store/kv_client.ts";
import { decompressFrame, unpackFrame } from "../../broker/log/log_frame.ts";
import { Epoch } from "../../broker/messages/message.ts";
import { Findings } from "../broker/simulation/findings.ts";
import { Random } from "../broker/simulation/random.ts";
import { Scheduler } from "../broker/simulation/scheduler.ts";
import { SimKv } from "../broker/simulation/sim_kv.ts";
import { SimProcess } from "../broker/simulation/sim_process.ts";
import { SimStore } from "../broker/simulation/sim_store.ts";
import { Weather } from "../broker/simulation/weather.ts";
import { VirtualTimers } from "./virtual_timers.ts";

export interface SiteOptions {
  /** The seed of everything random. */
  readonly seed: number;
  readonly instances: number;
  readonly retentionMs: number;
  readonly recentMaxBytes: number;
}

export const DEVICES: readonly string[] = ["A", "B1", "B2", "C", "D"];

export class Instance {
  readonly process: SimProcess;
  readonly fanout: KvFanout;
  readonly hub: Hub;
  alive = true;
  serving = false;
  /** Called when the instance is killed without notice. */
  readonly onKilled = new Set<() => void>();

  constructor(site: Site, { retentionMs, recentMaxBytes }: SiteOptions) {
    const { scheduler, random, store, weather } = site;
    this.process = new SimProcess(scheduler, random);
    const kv = new SimKv({ scheduler, random, store, weather, process: this.process });
    this.fanout = new KvFanout(kv, {
      retentionMs,
      recentMaxBytes,
      pollMs: 200,
      flushMs: 300,
      clock: this.process.clock,
    });
    this.hub = new Hub(this.fanout, {
      // Small, like the sockets: see client_socket.ts.
      limits: { maxPerDevice: 1, maxBytes: 1_000_000 },
      keepaliveSeconds: 1,
      staleSeconds: 300,
      onDrop: () => {},
    });
    this.fanout.start(this.hub).then(() => this.serving = true);
  }

  kill(): void {
    this.alive = this.serving = false;
    this.process.kill();
    for (const cut of [...this.onKilled]) cut();
    this.hub[Symbol.dispose]();
  }

  /** Ends like a program that is asked to stop. */
  drain(): void {
    this.alive = this.serving = false;
    this.hub.onReset("drain");
    this.hub[Symbol.dispose]();
    void this.fanout[Symbol.asyncDispose]();
  }
}

export class Site implements Disposable {
  readonly scheduler: Scheduler = new Scheduler();
  readonly random: Random;
  readonly store: SimStore = new SimStore();
  readonly weather: Weather;
  readonly findings: Findings = new Findings();
  readonly instances: Instance[];
  /** Devices and payloads by offset; the first element is empty. */
  readonly log: { readonly deviceId: string; readonly payload: string }[] = [
    { deviceId: "", payload: "" },
  ];
  readonly #timers: VirtualTimers;
  readonly #offsets = new Map<string, number>();
  #published = 0;

  constructor(private readonly options: SiteOptions) {
    this.random = new Random(options.seed);
    this.weather = new Weather(this.random);
    this.weather.clear();
    this.store.onCommit = (commit) => this.#note(commit);
    this.#timers = new VirtualTimers(this.scheduler);
    this.instances = Array.from(
      { length: options.instances },
      () => new Instance(this, options),
    );
  }

  get now(): number {
    return this.scheduler.now;
  }

  get head(): number {
    return this.log.length - 1;
  }

  /** Oldest offset that is kept; messages below it may be gone. */
  get floor(): number {
    const head = this.store.get(HEAD);
    return head ? decodeHead(head.value).floor : 1;
  }

  /** The newest offset that is stored, whether or not an instance has seen it. */
  get storedHead(): number {
    const head = this.store.get(HEAD);
    return head ? decodeHead(head.value).next - 1 : 0;
  }

  /** The only epoch of the log. */
  get epoch(): Epoch {
    const head = this.store.get(HEAD);
    return new Epoch(head ? decodeHead(head.value).epoch : "none");
  }

  offsetOf(payload: string): number | undefined {
    return this.#offsets.get(payload);
  }

  /** Offsets of a device's messages after `from`, up to `upTo`. */
  offsets(deviceId: string, from: number, upTo: number): number[] {
    const found: number[] = [];
    for (let offset = from + 1; offset <= Math.min(upTo, this.head); offset++) {
      if (this.log[offset]!.deviceId === deviceId) found.push(offset);
    }
    return found;
  }

  /** Publishes one message of each device; resolves when they are stored, or never will be. */
  async publish(instance: Instance, deviceIds: readonly string[]): Promise<void> {
    if (!instance.serving) return;
    const entries = deviceIds.map((deviceId) => ({
      deviceId,
      payload: JSON.stringify({ device_id: deviceId, n: ++this.#published }),
    }));
    await instance.fanout.publish(entries).catch(() => {});
  }

  /** Replaces an instance that is gone by a new one. */
  replace(index: number): void {
    this.instances[index] = new Instance(this, this.options);
  }

  /** Lets time pass, or stops early at the first error. */
  async pass(ms: number): Promise<void> {
    await this.until(() => false, ms);
  }

  /** Lets time pass until `done`, at most `limitMs`. */
  async until(done: () => boolean, limitMs = 60_000): Promise<void> {
    // What was done before takes effect before anything else is due.
    await new Promise<void>((resolve) => setImmediate(resolve));
    await this.scheduler.run(() => this.findings.any || done(), limitMs);
  }

  /** Stored messages are in the log, whether or not the instance that stored them learns of it. */
  #note({ sets }: KvCommit): void {
    for (const { key, value } of sets) {
      if (key[0] !== "log") continue;
      for (
        const { deviceId, payload } of unpackFrame(
          decompressFrame(value),
          this.epoch,
          Number(key[1]),
        )
      ) {
        this.#offsets.set(payload, this.log.length);
        this.log.push({ deviceId, payload });
      }
    }
  }

  [Symbol.dispose](): void {
    for (const instance of this.instances) if (instance.alive) instance.kill();
    this.#timers[Symbol.dispose]();
  }
}
