import type { Ending, Frame, Link } from "./link.ts";
import type { Attempt } from "./retry.ts";
import { openSse } from "./sse_link.ts";
import { Watchdog } from "./watchdog.ts";
import { openWebSocket } from "./websocket_link.ts";
import type { Transport, WebSocketClass } from "./types.ts";

export interface ConnectionOptions {
  readonly url: URL;
  readonly transport: Transport;
  /** Asks over HTTP why a WebSocket was refused, and ends as soon as a stream opens. */
  readonly probe: boolean;
  readonly token: string | undefined;
  readonly WebSocket: WebSocketClass | undefined;
  readonly fetch: typeof fetch;
  readonly deadAfterMs: number;
  onOpen(): void;
  onFrame(frame: Frame): void;
  onGarbage(text: string): void;
}

/** One connection of a client: its link, its liveness, and how it ended. */
export class Connection {
  readonly transport: Transport;
  readonly #link: Link;
  readonly #watchdog: Watchdog;
  readonly #startedAt = performance.now();
  #open = false;
  #over = false;
  #planned = false;
  #gotFrames = false;
  #goodbyeAt: number | undefined;
  #goodbyeTimer: ReturnType<typeof setTimeout> | undefined;
  #lastError: Attempt["error"];
  #pings: ((answeredAt: number | undefined) => void)[] = [];

  constructor(options: ConnectionOptions) {
    this.transport = options.transport;
    this.#watchdog = new Watchdog(options.deadAfterMs, {
      probe: () => this.#open && this.send({ action: "ping" }),
      giveUp: (quietMs) => this.#link.close(`nothing was received for ${Math.round(quietMs)} ms`),
    });
    const { url, token } = options;
    const handlers = {
      onOpen: () => {
        this.#open = true;
        if (options.probe) {
          return this.close("the WebSocket was refused, although the server answers over HTTP");
        }
        // The answer carries a cursor, and proves that frames get through.
        this.send({ action: "ping" });
        options.onOpen();
      },
      onHeard: () => this.#watchdog.heard(),
      onFrame: (frame: Frame) => {
        this.#note(frame);
        options.onFrame(frame);
      },
      onGarbage: (text: string) => options.onGarbage(text),
    };
    this.#link = this.transport === "ws"
      ? openWebSocket(url, { WebSocket: options.WebSocket!, token, handlers })
      : openSse(url, { fetch: options.fetch, token, handlers });
  }

  get isOpen(): boolean {
    return this.#open && !this.#over;
  }

  send(command: object): boolean {
    return this.#link.send(command);
  }

  /** Milliseconds to the answer; undefined if none can arrive. */
  async ping(): Promise<number | undefined> {
    const sentAt = performance.now();
    if (!this.isOpen || !this.send({ action: "ping" })) return undefined;
    const answeredAt = await new Promise<number | undefined>((resolve) =>
      this.#pings.push(resolve)
    );
    return answeredAt && answeredAt - sentAt;
  }

  /** Ends it to open another one at once. */
  replace(reason: string): void {
    this.#planned = true;
    this.close(reason);
  }

  close(reason: string): void {
    this.#link.close(reason);
  }

  /** Resolves at its end, with everything that decides what comes next. */
  async ended(): Promise<Attempt> {
    const ending: Ending = await this.#link.ended;
    this.#over = true;
    this.#watchdog.stop();
    clearTimeout(this.#goodbyeTimer);
    for (const resolve of this.#pings.splice(0)) resolve(undefined);
    const now = performance.now();
    return {
      ending,
      transport: this.transport,
      livedMs: now - this.#startedAt,
      gotFrames: this.#gotFrames,
      planned: this.#planned,
      goodbyeMs: this.#goodbyeAt && Math.max(0, this.#goodbyeAt - now),
      error: this.#lastError,
    };
  }

  #note({ event, data }: Frame): void {
    this.#gotFrames = true;
    if (event === "ping") {
      for (const resolve of this.#pings.splice(0)) resolve(performance.now());
    } else if (event === "error") {
      const { code = "error", message = "" } = (data ?? {}) as Record<string, string>;
      this.#lastError = { code, message };
    } else if (event === "goodbye") {
      const waitMs = Number((data as { reconnect_ms?: unknown })?.reconnect_ms) || 0;
      this.#goodbyeAt ??= performance.now() + waitMs;
      // Until then the server sends what it still has queued, unless it closes before.
      this.#goodbyeTimer ??= setTimeout(() => this.close("the server said goodbye"), waitMs);
    }
  }
}
