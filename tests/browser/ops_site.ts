/** The operator's page on the real routes, with simulated sources, instances and deliveries. */

import { SignJWT } from "jose";
import type { DeliveryInfo } from "../../broker/deliveries/delivery.ts";
import { DeliveryError } from "../../broker/deliveries/delivery.ts";
import { DeliveryQueue } from "../../broker/deliveries/queue.ts";
import { type InstanceReport, Instances } from "../../broker/cluster/instances.ts";
import type { KvClient } from "../../broker/store/kv_client.ts";
import { deliveryKey } from "../../broker/store/kv_keys.ts";
import { encodeJson } from "../../broker/store/stored_json.ts";
import { MemoryKv } from "../../broker/store/memory_kv.ts";
import type { SourceStatus } from "../../ingest/ingest.ts";
import { eventually } from "../kit/eventually.ts";
import { Rig } from "../routes/rig.ts";

const SECRET = "a secret of at least thirty-two bytes";

export const source = (name: string, more: Partial<SourceStatus> = {}): SourceStatus => ({
  name,
  kind: name,
  state: "connected",
  received: 0,
  malformed: 0,
  dropped: 0,
  reconnects: 0,
  ...more,
});

export class OpsSite implements AsyncDisposable {
  sources: SourceStatus[] = [source("mqtt")];
  /** Instances other than the one that answers; those without a report have gone silent. */
  readonly others = new Map<string, InstanceReport | undefined>();
  leaseOwner: string | undefined = "this-one";
  backendWorks = false;
  /** The data of each delivery that was done. */
  readonly done: unknown[] = [];
  readonly #kv = new MemoryKv();
  #queue: DeliveryQueue | undefined;
  readonly #stack = new AsyncDisposableStack();
  #rig!: Rig;
  #jobs = 0;
  #beats = 0;

  static async start({ tokens = false, deliveries = true } = {}): Promise<OpsSite> {
    const site = new OpsSite();
    const instances = site.#stack.use(site.#openInstances());
    const queue = deliveries ? site.#stack.use(site.#openQueue()) : undefined;
    site.#rig = site.#stack.use(
      await Rig.start({
        ...(tokens ? { env: { AUTH_JWT_SECRET: SECRET } } : {}),
        instances,
        ...(queue ? { deliveries: queue } : {}),
        leaseOwner: () => site.leaseOwner,
        sources: () => site.sources,
      }),
    );
    instances.start();
    queue?.start();
    return site;
  }

  get rig(): Rig {
    return this.#rig;
  }

  /** The page's address. */
  get url(): string {
    return `${this.#rig.url}/ops`;
  }

  token(scope: string): Promise<string> {
    return new SignJWT({ scope, device_ids: ["*"] }).setProtectedHeader({ alg: "HS256" })
      .sign(new TextEncoder().encode(SECRET));
  }

  /** Adds a delivery to the queue; it fails for good at once, unless the backend works. */
  async addWork(partition: string): Promise<void> {
    const value = encodeJson({ kind: "process", data: ++this.#jobs, time: Date.now() });
    await this.#kv.commit({
      checks: [],
      sets: [{ key: deliveryKey(partition, this.#jobs), value }],
    });
    await eventually("none is waiting", async () => (await this.waiting()).length === 0);
  }

  waiting(): Promise<DeliveryInfo[]> {
    return this.#queue!.list("waiting");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  #openQueue(): DeliveryQueue {
    return this.#queue = new DeliveryQueue(this.#kv, {
      instance: "this-one",
      pollMs: 20,
      handler: ({ data }) => {
        if (!this.backendWorks) {
          throw new DeliveryError("the backend answered 422", { permanent: true });
        }
        this.done.push(data);
        return Promise.resolve(undefined);
      },
    });
  }

  #openInstances(): Instances {
    const kv = {
      commit: () => Promise.resolve({ ok: true, versionstamp: "0" }),
      list: () => {
        this.#beats++;
        return Promise.resolve([...this.others].map(([id, report]) => ({
          key: ["instance", id],
          value: encodeJson({ id, messages: 0, subscribers: 0, devices: 0, ...report }),
          versionstamp: String(report ? this.#beats : 0).padStart(20, "0"),
        })));
      },
    } as unknown as KvClient;
    return new Instances(kv, {
      id: "this-one",
      figures: () => ({
        messages: this.#rig.fanout.stored,
        subscribers: this.#rig.hub.sessions.size,
        devices: this.#rig.hub.devicesMonitored,
        sent: this.#rig.hub.totals.ws.sent + this.#rig.hub.totals.sse.sent,
        dropped: this.#rig.hub.totals.ws.dropped + this.#rig.hub.totals.sse.dropped,
        sources: this.sources,
      }),
    });
  }
}
