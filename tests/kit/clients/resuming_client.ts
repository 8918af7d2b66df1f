/** A client that reconnects with its cursor whenever its stream ends, as browsers do. */

import type { CheckedClient } from "../checker.ts";
import { PATIENCE_MS } from "../patience.ts";
import { deviceAndSeq } from "../payload.ts";
import { parseWsFrame, type Received } from "../received.ts";
import { SseClient } from "./sse_client.ts";
import { WsClient } from "./ws_client.ts";

export interface ResumingOptions {
  readonly transport: "ws" | "sse";
  /** The stream's address, http://…/api/v1/stream, for instance on a load balancer. */
  readonly url: string;
  readonly deviceIds: readonly string[];
  /** Records every message. */
  readonly checked: CheckedClient;
  readonly retryMs?: number;
  /** For servers whose certificate this machine does not trust. */
  readonly client?: Deno.HttpClient | undefined;
  readonly onMessage?: (deviceId: string, seq: number) => void;
}

export class ResumingClient implements AsyncDisposable {
  lastId: string | undefined;
  /** How often each status of a `resumed` event came. */
  readonly resumed: Record<string, number> = {};
  readonly dropped: string[] = [];
  connects = 0;
  /** Attempts that were refused or failed. */
  failures = 0;
  readonly #positioned = Promise.withResolvers<void>();
  readonly #running: Promise<void>;
  #client: WsClient | SseClient | undefined;
  #stopped = false;

  private constructor(readonly options: ResumingOptions) {
    this.#running = this.#run();
  }

  /** Resolves once the client is connected and has a cursor; from then on nothing may be lost. */
  static async start(options: ResumingOptions): Promise<ResumingClient> {
    const client = new ResumingClient(options);
    await client.#positioned.promise;
    return client;
  }

  /** Ends the connection, as a network fault would; the client reconnects by itself. */
  async drop(): Promise<void> {
    await this.#client?.[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.drop();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      try {
        await (this.options.transport === "ws" ? this.#ws() : this.#sse());
      } catch {
        this.failures++;
      }
      if (this.#stopped) return;
      const retryMs = (this.options.retryMs ?? 100) * (0.5 + Math.random());
      await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
  }

  async #ws(): Promise<void> {
    const url = this.#url(this.lastId).replace(/^http/, "ws");
    const client = await WsClient.open(url, {
      client: this.options.client,
      onFrame: (text) => this.#saw(parseWsFrame(text)),
      timeoutMs: PATIENCE_MS,
    });
    this.connects++;
    this.#client = client;
    // Before the first message there is no cursor; the answer to a ping carries one.
    client.send({ action: "ping" });
    if (this.#stopped) await client.close();
    await client.closed;
  }

  async #sse(): Promise<void> {
    const client = await SseClient.open(this.#url(undefined), {
      ...(this.lastId !== undefined && { lastEventId: this.lastId }),
      client: this.options.client,
      onEvent: (event) => this.#saw(event),
      onPosition: (id) => this.#reached(id),
      timeoutMs: PATIENCE_MS,
    });
    this.connects++;
    this.#client = client;
    if (this.#stopped) await client.close();
    await client.ended;
  }

  #url(since: string | undefined): string {
    const query = new URLSearchParams({ device_ids: this.options.deviceIds.join(",") });
    if (since !== undefined) query.set("since", since);
    return `${this.options.url}?${query}`;
  }

  #saw({ event, data, id }: Received): void {
    if (event === "message") {
      const { deviceId, seq } = deviceAndSeq(data);
      this.options.checked.saw(deviceId, seq);
      this.options.onMessage?.(deviceId, seq);
    } else if (event === "resumed") {
      const { status } = JSON.parse(data);
      this.resumed[status] = (this.resumed[status] ?? 0) + 1;
    } else if (event === "dropped") {
      this.dropped.push(data);
    }
    if (id !== undefined) this.#reached(id);
  }

  #reached(id: string): void {
    this.lastId = id;
    this.#positioned.resolve();
  }
}
