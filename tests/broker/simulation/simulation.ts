/**
 * One run: instances, sources and clients under failures, then a calm phase in which all must
 * settle.
 */

import { Epoch } from "../../../broker/messages/message.ts";
import { LEASE } from "../../../broker/store/kv_keys.ts";
import { decodeJson } from "../../../broker/store/stored_json.ts";
import { Findings } from "./findings.ts";
import { History, type Logged } from "./history.ts";
import { Messages } from "./messages.ts";
import { Random } from "./random.ts";
import { ReplayProbe } from "./replay_probe.ts";
import { Scheduler } from "./scheduler.ts";
import { SimInstance } from "./sim_instance.ts";
import { SimKv } from "./sim_kv.ts";
import { SimProcess } from "./sim_process.ts";
import { SimStore } from "./sim_store.ts";
import { Storm } from "./storm.ts";
import { Upstream } from "./upstream.ts";
import { Weather } from "./weather.ts";
import { Workload } from "./workload.ts";

export interface SimulationResult {
  readonly findings: readonly string[];
  readonly steps: number;
  readonly messages: number;
  readonly simulatedMs: number;
  /** Differs if anything was stored differently. */
  readonly digest: number;
}

export interface SimulationOptions {
  /** The database is replaced by an empty one, or by an older copy of it. */
  readonly replaced?: boolean;
  /** Only the owner of the ingest lease publishes. */
  readonly leased?: boolean;
  /** Messages come from a partitioned log upstream, whose records have source offsets. */
  readonly withOffsets?: boolean;
}

const SETTLE_MS = 90_000;

export class Simulation {
  readonly #random: Random;
  readonly #scheduler = new Scheduler();
  readonly #findings = new Findings();
  readonly #store = new SimStore();
  readonly #weather: Weather;
  readonly #storm: Storm;
  readonly #workload: Workload;
  readonly #history: History;
  readonly #messages: Messages;
  readonly #fanout: {
    retentionMs: number;
    recentMaxBytes: number;
    pollMs: number;
    flushMs: number;
  };
  readonly #options: SimulationOptions;
  readonly #upstream: Upstream | undefined;
  #instances: SimInstance[] = [];
  #cursors: string[] = [];
  #stored = 0;
  #digest = 0;

  constructor(seed: number, options: SimulationOptions = {}) {
    const random = this.#random = new Random(seed);
    this.#weather = new Weather(random);
    this.#workload = new Workload(random);
    this.#fanout = {
      retentionMs: random.pick([1_500, 4_000, 60_000]),
      recentMaxBytes: random.pick([600, 3_000, 20_000, 1_000_000]),
      pollMs: random.pick([50, 300, 1_000]),
      flushMs: random.pick([100, 500, 2_000]),
    };
    this.#options = options;
    this.#storm = new Storm({
      scheduler: this.#scheduler,
      random,
      weather: this.#weather,
      instances: () => this.#instances,
      onEnd: (instance) => this.#replace(instance),
    });
    const findings = this.#findings;
    this.#messages = new Messages({ findings, recentMaxBytes: this.#fanout.recentMaxBytes });
    this.#history = new History({
      store: this.#store,
      findings,
      retentionMs: this.#fanout.retentionMs,
      now: () => this.#scheduler.now,
      onEpoch: () => this.#messages.forget(),
      onLogged: (messages, before, commit) => {
        this.#stored += messages.length;
        for (const { epoch, offset, writer, at } of messages) {
          this.#noteCursor(epoch, offset);
          this.#digest = hash(this.#digest, `${offset} ${writer} ${at}`);
        }
        this.#messages.logged(messages, before, commit);
        if (options.leased) this.#checkOwner(messages);
        if (this.#upstream) { for (const { payload } of messages) this.#upstream.logged(payload); }
      },
    });
    if (!options.withOffsets) return;
    this.#upstream = new Upstream({
      scheduler: this.#scheduler,
      random,
      findings,
      instances: () => this.#instances,
      running: () => this.#storm.lasting && !findings.any,
    });
  }

  async run(): Promise<SimulationResult> {
    const stray = (event: PromiseRejectionEvent) => {
      event.preventDefault();
      this.#findings.check(false, () => `unhandled rejection: ${event.reason}`);
    };
    globalThis.addEventListener("unhandledrejection", stray);
    try {
      await this.#rage();
      if (!this.#findings.any) await this.#calm();
      const hasTail = this.#fanout.retentionMs < 10_000 && !this.#upstream;
      if (!this.#findings.any && hasTail && this.#random.chance(0.3)) {
        await this.#tail();
      }
    } finally {
      globalThis.removeEventListener("unhandledrejection", stray);
      for (const instance of this.#instances) instance.kill();
    }
    return {
      findings: this.#findings.list,
      steps: this.#scheduler.steps,
      messages: this.#stored,
      simulatedMs: this.#scheduler.now,
      digest: this.#digest,
    };
  }

  async #rage(): Promise<void> {
    const random = this.#random;
    const count = random.int(1, 4);
    for (let i = 0; i < count; i++) {
      this.#scheduler.after(random.pick([0, 0, 2_000]), () => this.#spawn());
    }
    this.#storm.begin();
    this.#storm.repeat(random.pick([50, 300]), () => this.#probe());
    this.#upstream?.start();
    if (this.#options.replaced) this.#planReplacement(this.#storm.durationMs);
    await this.#scheduler.run(() => this.#findings.any, this.#storm.durationMs);
    this.#storm.end();
  }

  #spawn(): void {
    const [random, scheduler] = [this.#random, this.#scheduler];
    const process = new SimProcess(scheduler, random);
    const kv = new SimKv({
      scheduler,
      store: this.#store,
      process,
      weather: this.#weather,
      random,
    });
    const instance = new SimInstance({
      process,
      kv,
      fanout: this.#fanout,
      history: this.#history,
      messages: this.#messages,
      findings: this.#findings,
      leased: this.#options.leased === true,
    });
    instance.onRefused = (batch) => this.#workload.orphans.push(...batch);
    this.#instances.push(instance);
    instance.start();
    if (!this.#upstream) this.#feed(instance, random.pick([20, 100, 400, 1_000]));
  }

  /** A source of this instance publishes while the storm lasts. */
  #feed(instance: SimInstance, meanMs: number): void {
    this.#scheduler.after(this.#random.between(0, 2 * meanMs), () => {
      if (!instance.alive || !this.#storm.lasting) return;
      if (instance.unanswered.size < 30 && instance.mayPublish) {
        instance.publish(this.#workload.batch());
      }
      this.#feed(instance, meanMs);
    });
  }

  /** Its sources send unanswered batches to other instances, and another instance is started. */
  #replace(instance: SimInstance): void {
    if (!this.#upstream) this.#workload.orphans.push(...[...instance.unanswered].flat());
    this.#scheduler.after(this.#random.between(0, 2_000), () => this.#spawn());
  }

  #planReplacement(durationMs: number): void {
    const [random, scheduler] = [this.#random, this.#scheduler];
    const copiedAt = random.between(0, durationMs);
    const replacedAt = random.between(copiedAt, durationMs);
    scheduler.after(copiedAt, () => {
      const copy = random.chance(0.5)
        ? { store: this.#store.copy(), history: this.#history.copy() }
        : { store: new Map(), history: undefined };
      scheduler.after(replacedAt - copiedAt, () => {
        this.#history.replace(copy.history);
        this.#store.replace(copy.store);
      });
    });
  }

  #noteCursor(epoch: string, offset: number): void {
    if (this.#random.chance(0.2)) this.#cursors.push(new Epoch(epoch).cursor(offset));
  }

  #probe(): void {
    const random = this.#random;
    const running = this.#instances.filter((instance) => instance.running && instance.started);
    if (running.length === 0) return;
    const instance = random.pick(running);
    if (instance.probes > 5) return;
    const { epoch, log } = instance.fanout;
    const cursor = random.pick([
      () => epoch.cursor(0),
      () => epoch.cursor(random.int(0, log.position)),
      () => epoch.cursor(Math.max(0, log.position - random.int(0, 20))),
      () => this.#cursors.length > 0 ? random.pick(this.#cursors) : "",
      () => this.#cursors.at(-1) ?? "x",
      () => epoch.cursor((this.#history.head?.next ?? 0) + random.int(0, 3)),
      () => new Epoch("foreign").cursor(random.int(0, 5)),
      () => `${epoch.cursor(3).slice(0, -1)}!`,
    ])();
    const interest = random.pick(SimInstance.interests(this.#workload.devices));
    const probe = new ReplayProbe({
      instance,
      history: this.#history,
      findings: this.#findings,
      random,
      cursor,
      interest,
    });
    instance.probes++;
    instance.process.after(0, () => {
      instance.checkLasts("during the run");
      probe.run().catch((error) => this.#findings.check(false, () => `a probe failed: ${error}`))
        .finally(() => instance.probes--);
    });
  }

  /** Everything works again: every instance must get everything. */
  async #calm(): Promise<void> {
    if (!this.#instances.some((instance) => instance.alive)) this.#spawn();
    const alive = () => this.#instances.filter((instance) => instance.alive);
    const settled = () =>
      alive().every((instance) => instance.settled && instance.probes === 0) && this.#isOwned();
    const done = () => this.#findings.any || settled();
    if (!await this.#scheduler.run(done, SETTLE_MS)) {
      const { head } = this.#history;
      this.#findings.check(
        false,
        () => `not settled: ${alive().join("; ")}; the head is at ${head?.next} of ${head?.epoch}`,
      );
    }
    if (this.#findings.any) return;
    const names = new Set(alive().map(({ fanout }) => fanout.deploymentId));
    const forked = this.#history.isForked(this.#history.head?.epoch ?? "");
    this.#findings.check(names.size === 1 || forked, () => `one deployment has ${names.size} ids`);
    for (const instance of alive()) instance.checkLasts("at the end");
    this.#checkStored();
  }

  /** Messages of leased sources are stored by the owner only. */
  #checkOwner(messages: readonly Logged[]): void {
    const owner = this.#owner();
    // No instance has it: it was released, and messages that its owner published may still be
    // stored.
    const stranger = owner === "" ? undefined : messages.find(({ writer }) => writer !== owner);
    this.#findings.check(
      !stranger,
      () => `${stranger?.writer} stores ${stranger?.offset}, but ${owner} has the lease`,
    );
  }

  #owner(): string | undefined {
    const entry = this.#store.get(LEASE);
    return entry && (decodeJson(entry.value) as { owner: string }).owner;
  }

  /** One live instance has the lease, and knows it. */
  #isOwned(): boolean {
    if (!this.#options.leased) return true;
    const holders = this.#instances.filter(({ alive, lease }) => alive && lease?.held);
    return holders.length === 1 && holders[0]!.fanout.writer === this.#owner();
  }

  /** The log continues slowly: old frames must be deleted. */
  async #tail(): Promise<void> {
    const random = this.#random;
    const { retentionMs } = this.#fanout;
    const slackMs = 15_000;
    const everyMs = 700;
    const end = this.#scheduler.now + retentionMs + slackMs;
    while (this.#scheduler.now < end) {
      const alive = this.#instances.filter((instance) => instance.alive);
      const able = alive.filter(({ mayPublish }) => mayPublish);
      if (able.length > 0) random.pick(able).publish(this.#workload.batch());
      await this.#scheduler.run(() => this.#findings.any, everyMs);
      if (this.#findings.any) return;
    }
    this.#checkStored(end - retentionMs - slackMs);
  }

  /** The store holds exactly the frames from the floor to the head. */
  #checkStored(oldestAt?: number): void {
    const { head } = this.#history;
    if (!head) return;
    const frames = this.#store.list({ prefix: ["log"] }, { limit: 1_000 });
    const first = Number(frames[0]?.key[1] ?? head.next);
    const whole = first === head.floor ||
      (oldestAt === undefined && this.#options.replaced === true);
    this.#findings.check(
      whole,
      () => `the oldest frame is ${first}, but the floor is ${head.floor}`,
    );
    const oldest = this.#history.messages(head.epoch, first - 1, first)[0];
    this.#findings.check(
      oldestAt === undefined || !oldest || oldest.at >= oldestAt,
      () =>
        `${frames.length} frames are kept, the oldest for ${this.#scheduler.now - oldest!.at} ms`,
    );
  }
}

function hash(digest: number, text: string): number {
  for (let i = 0; i < text.length; i++) digest = Math.imul(digest, 31) + text.charCodeAt(i) | 0;
  return digest;
}
