/** Devices that publish at a steady rate, and clients of both transports that watch them. */

import { Checker } from "./checker.ts";
import { eventually } from "./eventually.ts";
import { MqttPublisher } from "./clients/mqtt_publisher.ts";
import { trackingPayload } from "./payload.ts";
import { ResumingClient } from "./clients/resuming_client.ts";

export interface FleetOptions {
  readonly brokerUrl: string;
  /** Addresses of the stream; clients are dealt out to them in turn. */
  readonly streamUrls: readonly string[];
  readonly clients: number;
  readonly devices: number;
  /** Devices that a client watches. */
  readonly devicesEach?: number;
  readonly perSecond: number;
  /** False: payloads without uuid, so that no repeat is dropped on the way. */
  readonly uuids?: boolean;
}

interface Published {
  readonly deviceId: string;
  readonly seq: number;
  readonly topic: string;
  readonly payload: string;
  readonly at: number;
}

/** Messages are remembered so long, to be sent again as devices do that saw no answer. */
const REMEMBERED_MS = 60_000;
/**
 * Devices are at most so far ahead of the clients: a machine that cannot carry the rate gets less,
 * or what it is behind would grow for as long as the test lasts.
 */
const MAX_AHEAD_SECONDS = 6;
/** Clients that connect at one time, while they start. */
const STARTING = 25;

export class Fleet implements AsyncDisposable {
  readonly checker = new Checker();
  readonly clients: ResumingClient[] = [];
  #publishing: Promise<unknown> | undefined;
  #stop = new AbortController();
  #remembered: Published[] = [];
  #published = 0;
  /** By all clients together. */
  #seen = 0;
  #probe: { after: ReadonlyMap<string, number>; seen: () => void } | undefined;

  private constructor(
    private readonly options: FleetOptions,
    private publisher: MqttPublisher,
  ) {}

  /** As many clients as devices at one instance, which publish at once. */
  static async under(
    broker: { readonly url: string },
    telecast: { sseUrl(): string },
    { size, perSecond }: { readonly size: number; readonly perSecond: number },
  ): Promise<Fleet> {
    const fleet = await Fleet.start({
      clients: size,
      devices: size,
      perSecond,
      brokerUrl: broker.url,
      streamUrls: [telecast.sseUrl()],
    });
    fleet.begin();
    return fleet;
  }

  /** Resolves when every client is connected and nothing that is published may be lost. */
  static async start(options: FleetOptions): Promise<Fleet> {
    const fleet = new Fleet(options, await MqttPublisher.connect(options.brokerUrl));
    try {
      await fleet.#connect();
    } catch (error) {
      await fleet[Symbol.asyncDispose]();
      throw error;
    }
    return fleet;
  }

  /** Begins to publish, in the background, until halt(). */
  begin(perSecond = this.options.perSecond): void {
    this.#stop = new AbortController();
    this.#publishing = this.publisher.publishAtRate((i) => this.#next(i), {
      perSecond,
      signal: this.#stop.signal,
      ready: () => this.#ahead() < MAX_AHEAD_SECONDS * perSecond,
    });
    // Where the fleet is disposed of first, what the broker has not acknowledged has no answer.
    this.#publishing.catch(() => {});
  }

  /** Messages that were published and that clients have yet to see, about. */
  #ahead(): number {
    const { clients, devices, devicesEach = 2 } = this.options;
    return this.#published - this.#seen * devices / (clients * devicesEach);
  }

  /** Publishes for so long, and stops. */
  async run(seconds: number): Promise<void> {
    this.begin();
    await pause(seconds * 1000);
    await this.halt();
  }

  /** Publishes no more; resolves when the broker has acknowledged everything. */
  async halt(): Promise<void> {
    this.#stop.abort();
    await this.#publishing;
    this.#publishing = undefined;
  }

  /** Devices hear from their broker no more: nothing is published, and nothing sent again. */
  async forgetBroker(): Promise<void> {
    this.#stop.abort();
    await this.publisher.forget();
    await this.halt();
  }

  /**
   * Publishes in order, with the same uuid and bytes, everything from the first message on that a
   * client has not seen: as devices do that know nothing of what became of their last messages.
   */
  async publishAgain(): Promise<number> {
    this.publisher = await MqttPublisher.connect(this.options.brokerUrl);
    const first = this.#remembered.findIndex(({ deviceId, seq }) =>
      this.clients.some(({ options: { checked, deviceIds } }) =>
        deviceIds.includes(deviceId) && !checked.has(deviceId, seq)
      )
    );
    const again = first < 0 ? [] : this.#remembered.slice(first);
    await this.publisher.publishAll(again);
    return again.length;
  }

  /** Milliseconds from now until a client sees a message that is published from now on. */
  async untilFlow(timeoutMs = 120_000): Promise<number> {
    const start = performance.now();
    let seen = false;
    this.#probe = { after: this.checker.position(), seen: () => seen = true };
    await eventually("messages flow", () => seen, { timeoutMs, intervalMs: 5 });
    return performance.now() - start;
  }

  /** Waits until every client has all of its messages, and fails where it has more, or others. */
  async assertFlawless({ timeoutMs = 120_000 } = {}): Promise<void> {
    try {
      await eventually("all messages", () => this.checker.complete(), { timeoutMs });
    } catch (error) {
      this.checker.assertFlawless();
      throw error;
    }
    this.checker.assertFlawless();
    const dropped = this.clients.flatMap(({ dropped }) => dropped);
    if (dropped.length > 0) throw new Error(`dropped: ${dropped.slice(0, 5).join(" ")}`);
    const { partial = 0, none = 0 } = this.resumed;
    if (partial + none > 0) throw new Error(`resumed: partial ${partial}, none ${none}`);
  }

  /** Statuses of `resumed` events of all clients, by how often they came. */
  get resumed(): Record<string, number> {
    const sum: Record<string, number> = {};
    for (const { resumed } of this.clients) {
      for (const [status, count] of Object.entries(resumed)) {
        sum[status] = (sum[status] ?? 0) + count;
      }
    }
    return sum;
  }

  /** One line for people: what was counted. */
  summary(): string {
    const { published, seen, lost, repeated, reordered, foreign } = this.checker.report();
    const connects = this.clients.reduce((sum, { connects }) => sum + connects, 0);
    return `${published} published, ${seen} seen by ${this.clients.length} clients over ` +
      `${connects} connections; lost ${lost}, repeated ${repeated}, reordered ${reordered}, ` +
      `foreign ${foreign}; resumed ${JSON.stringify(this.resumed)}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.publisher[Symbol.asyncDispose]();
    await Promise.all(this.clients.map((client) => client[Symbol.asyncDispose]()));
  }

  async #connect(): Promise<void> {
    const { clients, devices, devicesEach = 2, streamUrls } = this.options;
    for (let i = 0; i < clients; i += STARTING) {
      const some = Array.from({ length: Math.min(STARTING, clients - i) }, (_, j) => {
        const n = i + j;
        const deviceIds = Array.from(
          { length: devicesEach },
          (_, k) => deviceName((n + k * 37) % devices),
        );
        const transport = n % 2 === 0 ? "ws" : "sse";
        return ResumingClient.start({
          transport,
          url: streamUrls[(n >> 1) % streamUrls.length]!,
          deviceIds,
          checked: this.checker.client(`${transport}-${n}`, { devices: deviceIds }),
          onMessage: (deviceId, seq) => this.#saw(deviceId, seq),
        });
      });
      for (const result of await Promise.allSettled(some)) {
        if (result.status === "rejected") throw result.reason;
        this.clients.push(result.value);
      }
    }
  }

  #next(index: number): Published {
    const now = performance.now();
    const deviceId = deviceName(index % this.options.devices);
    const uuid = this.options.uuids === false ? { uuid: null } : {};
    const seq = this.checker.next(deviceId);
    this.#published++;
    const payload = trackingPayload(deviceId, seq, uuid);
    const message = { deviceId, seq, topic: `fleet/${deviceId}`, payload, at: now };
    this.#remembered.push(message);
    if (this.#remembered.length > 10_000 && this.#remembered[5_000]!.at < now - REMEMBERED_MS) {
      this.#remembered = this.#remembered.slice(5_000);
    }
    return message;
  }

  #saw(deviceId: string, seq: number): void {
    this.#seen++;
    const probe = this.#probe;
    if (!probe || seq <= (probe.after.get(deviceId) ?? 0)) return;
    this.#probe = undefined;
    // What may have been lost meanwhile is not waited for.
    this.#published = this.#seen = 0;
    probe.seen();
  }
}

const deviceName = (n: number) => `bus-${String(n).padStart(3, "0")}`;

/** How long a load lasts; nothing is waited for by it. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
