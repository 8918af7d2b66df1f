/** Clients of a soak whose messages are not checked: slow ones, and ones that send commands. */

import type { Cluster } from "../kit/servers/cluster.ts";
import { type Fleet, pause } from "../kit/fleet.ts";
import { SlowClient } from "../kit/clients/slow_client.ts";
import type { TcpProxy } from "../kit/servers/tcp_proxy.ts";
import { WsClient } from "../kit/clients/ws_client.ts";

const SLOW = 4;
const SLOW_STAY_MS = 8_000;
const COMMANDS = 3;
const COMMAND_EVERY_MS = 500;
const RESUME_EVERY_MS = 1_000;

export class Bystanders implements AsyncDisposable {
  readonly counts = { slow: 0, commands: 0, answers: 0, dropped: 0, published: 0, refused: 0 };
  readonly #end = new AbortController();
  readonly #running: Promise<void>[] = [];

  constructor(
    private readonly cluster: Cluster<TcpProxy>,
    private readonly fleet: Fleet,
    private readonly random: (limit: number) => number,
  ) {
    for (let i = 0; i < SLOW; i++) this.#again(() => this.#slow(i % 2 === 0 ? "ws" : "sse"));
    for (let i = 0; i < COMMANDS; i++) this.#again(() => this.#command());
    this.#again(() => this.#publish());
    this.#again(() => this.#resume());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await Promise.all(this.#running);
  }

  /** Repeats `once` and ignores its failures, since instances die during a soak. */
  #again(once: () => Promise<void>): void {
    const run = async () => {
      while (!this.#end.signal.aborted) {
        await once().catch(() => {});
        await pause(200);
      }
    };
    this.#running.push(run());
  }

  /** Reads nothing for a while, then leaves with a reset. */
  async #slow(transport: "ws" | "sse"): Promise<void> {
    const { port } = this.cluster.balancer;
    await using _client = await SlowClient.open({ port, transport, query: "device_ids=*" });
    this.counts.slow++;
    await pause(this.random(SLOW_STAY_MS));
  }

  async #command(): Promise<void> {
    const url = this.cluster.streamUrl.replace("http", "ws");
    await using client = await WsClient.open(`${url}?device_ids=bus-000`, {
      onFrame: (text) => {
        if (text.startsWith('{"event":"subscribed"')) this.counts.answers++;
      },
    });
    while (client.closeCode === undefined && !this.#end.signal.aborted) {
      const device_ids = [`bus-${String(this.random(60)).padStart(3, "0")}`];
      client.send({ action: "subscribe", device_ids, snapshot: true });
      client.send({ action: "unsubscribe", device_ids });
      this.counts.commands += 2;
      await pause(COMMAND_EVERY_MS);
    }
  }

  /** Publishes over HTTP; no client expects the message, since a 503 leaves its fate open. */
  async #publish(): Promise<void> {
    const body = JSON.stringify({ topic: "other/http", payload: { data: { DEVICE_ID: "http" } } });
    const url = new URL("/api/v1/publish", this.cluster.streamUrl);
    const signal = AbortSignal.timeout(10_000);
    const response = await fetch(url, { method: "POST", body, signal });
    await response.body?.cancel();
    if (response.ok) this.counts.published++;
    else this.counts.refused++;
  }

  /** Drops the connection of a checked client, which resumes with its cursor. */
  async #resume(): Promise<void> {
    await pause(this.random(2 * RESUME_EVERY_MS));
    await this.fleet.clients[this.random(this.fleet.clients.length)]!.drop();
    this.counts.dropped++;
  }
}
