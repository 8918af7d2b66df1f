/** One instance: a fanout in its own process, and a check of what its listener gets. */

import { Interest } from "../../../broker/messages/interest.ts";
import { type FanoutListener, LeaseLostError } from "../../../broker/log/fanout.ts";
import { KvFanout, type KvFanoutOptions } from "../../../broker/log/kv_fanout.ts";
import { Lease } from "../../../broker/log/lease.ts";
import type { Entry, Publication } from "../../../broker/messages/message.ts";
import type { Findings } from "./findings.ts";
import type { History } from "./history.ts";
import type { Messages } from "./messages.ts";
import type { SimKv } from "./sim_kv.ts";
import type { SimProcess } from "./sim_process.ts";

export interface SimInstanceOptions {
  readonly process: SimProcess;
  readonly kv: SimKv;
  readonly fanout: KvFanoutOptions;
  readonly history: History;
  readonly messages: Messages;
  readonly findings: Findings;
  /** It publishes only as the owner of the ingest lease. */
  readonly leased: boolean;
}

export class SimInstance implements FanoutListener {
  readonly fanout: KvFanout;
  readonly process: SimProcess;
  readonly kv: SimKv;
  readonly signal = new AbortController();
  readonly lease: Lease | undefined;
  started = false;
  closed = false;
  /** How often its sessions had to start over. */
  resets = 0;
  /** Number of clients with a running replay. */
  probes = 0;
  onRefused: (batch: readonly Entry[]) => void = () => {};
  /** Batches that were published here and are not known to be stored, in order. */
  readonly unanswered = new Set<readonly Entry[]>();
  readonly #options: SimInstanceOptions;
  /** The newest offset that the listener knows; undefined after a reset. */
  #position: number | undefined;
  #epoch = "";

  constructor(options: SimInstanceOptions) {
    this.#options = options;
    this.process = options.process;
    this.kv = options.kv;
    const { clock } = options.process;
    const fanout = this.fanout = new KvFanout(options.kv, { ...options.fanout, clock });
    if (!options.leased) return;
    const lease = this.lease = new Lease(options.kv, {
      instance: fanout.writer,
      fence: (change) => fanout.fence(change),
      onAcquired: () => {},
      onLost: () => {},
      clock,
    });
    fanout.leaseProof = () => lease.prove();
  }

  get running(): boolean {
    return this.process.state === "running" && !this.closed;
  }

  get alive(): boolean {
    return this.process.state !== "dead" && !this.closed;
  }

  start(): void {
    this.process.after(0, () => {
      this.fanout.start(this).then(() => {
        this.started = true;
        this.#position = this.fanout.log.position;
        this.#epoch = this.fanout.epoch.id;
        this.checkLasts("at the start");
        if (!this.closed) this.lease?.start();
      }, this.#unlessClosed);
    });
  }

  /** Whether its sources may be consumed. */
  get mayPublish(): boolean {
    return !this.lease || this.lease.held;
  }

  publish(batch: readonly Entry[], onStored: () => void = () => {}): void {
    const { messages } = this.#options;
    this.process.after(0, () => {
      if (this.closed) return;
      const { stored, refused } = messages.publish(this.fanout.writer, batch);
      this.unanswered.add(batch);
      this.fanout.publish(batch, { leased: this.lease !== undefined }).then(() => {
        stored();
        this.unanswered.delete(batch);
        onStored();
      }, (error) => {
        if (!(error instanceof LeaseLostError)) return this.#unlessClosed(error);
        // The source sends it to the instance that has the lease now.
        refused();
        this.unanswered.delete(batch);
        this.onRefused(batch);
      });
    });
  }

  /** Ends the instance like a program that is asked to stop. */
  close(): void {
    this.closed = true;
    this.signal.abort();
    this.process.after(0, () => {
      Promise.resolve(this.lease?.[Symbol.asyncDispose]())
        .then(() => this.fanout[Symbol.asyncDispose]())
        .catch((error) => this.#fail(`cannot close: ${error}`));
    });
  }

  kill(): void {
    this.process.kill();
  }

  onPublications(batch: readonly Publication[]): void {
    const { history } = this.#options;
    for (const publication of batch) {
      const { offset, epoch } = publication;
      const due = this.#position === undefined ? offset : this.#position + 1;
      if (offset !== due) this.#fail(`got ${offset} instead of ${due}`);
      if (!history.holds(publication)) this.#fail(`got ${offset}, which is not in the log`);
      this.#position = offset;
      this.#epoch = epoch.id;
    }
  }

  /** Called while the fanout still has the position that sessions know. */
  onReset(reason: string): void {
    const { history } = this.#options;
    const { epoch, log } = this.fanout;
    const head = history.head;
    if (this.#position !== undefined) {
      const known = epoch.id === this.#epoch && log.position === this.#position;
      if (!known) {
        this.#fail(`is reset at ${log.position}, but its listener got ${this.#position}`);
      }
      const lost = head?.epoch !== epoch.id || head.floor > log.position + 1 ||
        history.isForked(epoch.id);
      if (!lost) this.#fail(`is reset at ${log.position} although nothing is lost: ${reason}`);
    }
    this.#position = undefined;
    this.resets++;
  }

  /** The last message of every device must be known, up to the instance's position. */
  checkLasts(when: string): void {
    const { history } = this.#options;
    const { log, epoch } = this.fanout;
    if (history.isForked(epoch.id)) return;
    const due = new Map<string, number>();
    for (const { deviceId, offset } of history.messages(epoch.id, 0, log.position)) {
      due.set(deviceId, offset);
    }
    for (const [deviceId, offset] of due) {
      const last = log.lastOf(deviceId);
      if (last?.epoch.id !== epoch.id || last.offset < offset || !history.holds(last)) {
        this.#fail(`has ${last?.offset} as last of ${deviceId} ${when} instead of ${offset}`);
      }
    }
  }

  /** Whether it has everything, and its state shows that. */
  get settled(): boolean {
    const { head } = this.#options.history;
    const { fanout } = this;
    return this.started && fanout.state.state === "ready" && fanout.pending === 0 &&
      this.unanswered.size === 0 && fanout.epoch.id === head?.epoch &&
      fanout.log.position === head.next - 1;
  }

  toString(): string {
    const { fanout } = this;
    return `${fanout.writer} (${this.process.state}, ${fanout.state.state}, at ` +
      `${fanout.log.position}, ${fanout.pending} pending, ${this.unanswered.size} unanswered, ` +
      `${this.probes} clients)`;
  }

  /** Interests that clients may have. */
  static interests(devices: readonly string[]): Interest[] {
    return [
      Interest.EVERYTHING,
      Interest.EVERYTHING,
      Interest.parse([devices[0]!], 10),
      Interest.parse(["d1*"], 10),
      Interest.parse(devices.slice(0, 2), 10),
    ];
  }

  #unlessClosed = (error: unknown) => {
    if (!this.closed) this.#fail(`fails: ${error}`);
  };

  #fail(what: string): void {
    this.#options.findings.check(false, () => `instance ${this.fanout.writer} ${what}`);
  }
}
