/** Devices that publish at a steady rate, and clients on both transports that watch them. */

import { Checker } from "./checker.ts";
import { eventually } from "./eventually.ts";
import { MqttPublisher } from "./clients/mqtt_publisher.ts";
import { trackingPayload } from "./payload.ts";
import { ResumingClient } from "./clients/resuming_client.ts";

export interface FleetOptions {
  readonly brokerUrl: string;
  /** Addresses of the stream; clients are assigned to them in turn. */
  readonly streamUrls: readonly string[];
  readonly clients: number;
  readonly devices: number;
  /** How many devices each client watches. */
  readonly devicesEach?: number;
  readonly perSecond: number;
  /** False: payloads have no uuid, so no repeat is dropped on the way. */
  readonly uuids?: boolean;
}

interface Published {
  readonly deviceId: string;
  readonly seq: number;
  readonly topic: string;
  readonly payload: string;
  readonly at: number;
}

/** How long messages are kept so that they can be resent, as devices resend without an answer. */
const REMEMBERED_MS = 60_000;
/**
 * How far devices may get ahead of the clients. On a machine that cannot sustain the rate, the
 * backlog would otherwise grow for the whole test.
 */
const MAX_AHEAD_SECONDS = 6;
/** How many clients connect at the same time during startup. */
const STARTING = 25;

export class Fleet implements AsyncDisposable {
  readonly checker = new Checker();
  readonly clients: ResumingClient[] = [];
  #publishing: Promise<unknown> | undefined;
  #stop = new AbortController();
  #remembered: Published[] = [];
  #published = 0;
  /** Messages seen by all clients together. */
  #seen = 0;
  #probe: { after: ReadonlyMap<string, number>; seen: () => void } | undefined;

  private constructor(
    private readonly options: FleetOptions,
    private publisher: MqttPublisher,
  ) {}

  /** Starts `size` clients and `size` devices on one instance; publishing begins at once. */
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

  /** Resolves when every client is connected; from then on no published message may be lost. */
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

  /** Starts publishing in the background, until halt(). */
  begin(perSecond = this.options.perSecond): void {
    this.#stop = new AbortController();
    this.#publishing = this.publisher.publishAtRate((i) => this.#next(i), {
      perSecond,
      signal: this.#stop.signal,
      ready: () => this.#ahead() < MAX_AHEAD_SECONDS * perSecond,
    });
    // If the fleet is disposed of first, nobody awaits this, and unacknowledged messages may fail.
    this.#publishing.catch(() => {});
  }

  /** Roughly how many published messages the clients have yet to see. */
  #ahead(): number {
    const { clients, devices, devicesEach = 2 } = this.options;
    return this.#published - this.#seen * devices / (clients * devicesEach);
  }

  /** Publishes for `seconds`, then stops. */
  async run(seconds: number): Promise<void> {
    this.begin();
    await pause(seconds * 1000);
    await this.halt();
  }

  /** Stops publishing; resolves when the broker has acknowledged everything. */
  async halt(): Promise<void> {
    this.#stop.abort();
    await this.#publishing;
    this.#publishing = undefined;
  }

  /** Cuts the devices off from their broker: nothing is published, and nothing is resent. */
  async forgetBroker(): Promise<void> {
    this.#stop.abort();
    await this.publisher.forget();
    await this.halt();
  }

  /**
   * Republishes in order, with the same uuid and bytes, everything from the first message that a
   * client has not seen, like devices that do not know whether their last messages arrived.
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

  /** Milliseconds until a client sees a message that is published after this call. */
  async untilFlow(timeoutMs = 120_000): Promise<number> {
    const start = performance.now();
    let seen = false;
    this.#probe = { after: this.checker.position(), seen: () => seen = true };
    await eventually("messages flow", () => seen, { timeoutMs, intervalMs: 5 });
    return performance.now() - start;
  }

  /** Waits until every client has all its messages; fails if one has repeated or foreign ones. */
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

  /** How often each status of a `resumed` event came, over all clients. */
  get resumed(): Record<string, number> {
    const sum: Record<string, number> = {};
    for (const { resumed } of this.clients) {
      for (const [status, count] of Object.entries(resumed)) {
        sum[status] = (sum[status] ?? 0) + count;
      }
    }
    return sum;
  }

  /** The counts as one readable line. */
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
    // Messages that may have been lost meanwhile do not count as a backlog.
    this.#published = this.#seen = 0;
    probe.seen();
  }
}

const deviceName = (n: number) => `bus-${String(n).padStart(3, "0")}`;

/** Sets how long a load lasts; not for waiting until a condition holds. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
