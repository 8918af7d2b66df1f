import { Audience } from "./audience.ts";
import { applied, type Command, CommandQueue } from "./command_queue.ts";
import { Connection } from "./connection.ts";
import type { Frame } from "./link.ts";
import { AT_ONCE, type Refusal, type Retry, RetryPolicy, type Verdict } from "./retry.ts";
import { StreamError } from "./stream_error.ts";
import { TokenKeeper } from "./token_keeper.ts";
import { connectionAddress, deviceIdList, deviceIdOf, streamAddress } from "./values.ts";
import type * as api from "./types.ts";

/** A change of the subscription that the next connection makes, or that is undone. */
interface Change {
  readonly before: ReadonlySet<string>;
  resolve(): void;
  reject(error: Error): void;
}

/** Documented at {@linkcode api.Telecast}. */
export class Telecast<T = unknown> implements api.Telecast<T> {
  readonly #url: URL;
  readonly #options: api.TelecastOptions;
  readonly #WebSocket: api.WebSocketClass | undefined;
  readonly #retry: RetryPolicy;
  readonly #token: TokenKeeper;
  readonly #commands = new CommandQueue();
  readonly #audience: Audience<T>;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #ids: Set<string>;
  #changes: Change[] = [];
  #cursor: string | undefined;
  #wantsSnapshot: boolean;
  #state: api.TelecastState = { state: "idle" };
  #connection: Connection | undefined;
  /** The connection began with a cursor, and its replay is not over yet. */
  #resuming = false;
  #wake: (() => void) | undefined;

  constructor(url: string | URL, options: api.TelecastOptions) {
    this.#url = streamAddress(url);
    this.#options = options;
    this.#ids = new Set(deviceIdList(options.deviceIds));
    this.#cursor = options.since;
    this.#wantsSnapshot = options.snapshot ?? false;
    const isLatest = options.mode === "latest" || options.maxRate !== undefined;
    const deviceOf = (options.deviceIdOf ?? deviceIdOf) as (data: T) => unknown;
    this.#audience = new Audience({
      maxItems: options.bufferSize ?? 10_000,
      deviceOf: isLatest ? deviceOf : undefined,
    });
    this.#token = new TokenKeeper(options.token);
    const found = (globalThis as { WebSocket?: api.WebSocketClass }).WebSocket;
    this.#WebSocket = options.WebSocket ?? found;
    if (options.transport === "ws" && !this.#WebSocket) {
      throw new TypeError("Cannot use WebSocket: there is no global class, and none is given");
    }
    this.#retry = new RetryPolicy(options, this.#WebSocket !== undefined);
    options.signal?.addEventListener("abort", () => void this.close(), { once: true });
    if (options.signal?.aborted) this.#stop.abort();
    // Listeners that are added right after the constructor miss nothing.
    this.#running = Promise.resolve().then(() => this.#run());
  }

  get state(): api.TelecastState {
    return this.#state;
  }

  get deviceIds(): readonly string[] {
    return [...this.#ids];
  }

  get cursor(): string | undefined {
    return this.#cursor;
  }

  get overflowed(): number {
    return this.#audience.overflowed;
  }

  on<K extends keyof api.TelecastEvents<T>>(
    type: K,
    listener: (event: api.TelecastEvents<T>[K]) => void,
  ): () => void {
    return this.#audience.on(type, listener);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<api.TelecastMessage<T>> {
    return this.#audience.iterate();
  }

  async subscribe(
    deviceIds: string | readonly string[],
    { since, snapshot }: { since?: string | undefined; snapshot?: boolean | undefined } = {},
  ): Promise<void> {
    this.#assertUsable("subscribe");
    const ids = deviceIdList(deviceIds);
    if (ids.length === 0) return;
    if (this.#ids.size > 0 && (this.#takesCommands || since !== undefined)) {
      return await this.#command({ action: "subscribe", device_ids: ids, since, snapshot });
    }
    if (since !== undefined) this.#cursor = since;
    if (snapshot) this.#wantsSnapshot = true;
    if (snapshot || ids.some((id) => !this.#ids.has(id))) {
      await this.#change(new Set([...this.#ids, ...ids]));
    }
  }

  async unsubscribe(deviceIds: string | readonly string[]): Promise<void> {
    this.#assertUsable("unsubscribe");
    const ids = this.#commands.outcome(this.#ids);
    const gone = deviceIdList(deviceIds).filter((id) => ids.has(id));
    if (gone.length === 0) return;
    const command: Command = { action: "unsubscribe", device_ids: gone };
    const rest = applied(command, ids);
    await (rest.size > 0 && this.#takesCommands ? this.#command(command) : this.#change(rest));
  }

  ping(): Promise<number | undefined> {
    return this.#connection?.ping() ?? Promise.resolve(undefined);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#connection?.close("closed by the client");
    this.#wake?.();
    await this.#running;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #takesCommands(): boolean {
    return this.#connection?.transport === "ws" && this.#connection.isOpen;
  }

  async #run(): Promise<void> {
    const tryNow = () => this.#wake?.();
    globalThis.addEventListener?.("online", tryNow);
    let error: StreamError | undefined;
    while (!this.#stop.signal.aborted && !error) {
      if (this.#ids.size === 0) {
        this.#settleChanges();
        this.#setState({ state: "idle" });
        if (this.#ids.size === 0) await this.#pause(undefined);
        continue;
      }
      const verdict = await this.#connect();
      if ("giveUp" in verdict) error = new StreamError(verdict.giveUp, true);
      else if (verdict.retryInMs > 0) await this.#pause(verdict.retryInMs);
    }
    globalThis.removeEventListener?.("online", tryNow);
    this.#stop.abort();
    for (const { resolve, reject } of this.#changes.splice(0)) error ? reject(error) : resolve();
    this.#commands.end(error);
    this.#setState({ state: "closed", reason: error?.message ?? "closed by the client" });
    if (error) this.#audience.emit("error", error);
    this.#audience.end(error);
  }

  /** One connection, from requesting its token to deciding what follows its end. */
  async #connect(): Promise<Verdict> {
    const { transport, probe } = this.#retry.plan();
    this.#setState({ state: "connecting", transport, attempt: this.#retry.failures + 1 });
    const problem = await this.#askForToken();
    if (this.#stop.signal.aborted) return AT_ONCE;
    if (problem) return this.#wait(this.#retry.afterFailure(), problem);

    this.#resuming = this.#cursor !== undefined;
    const connection = this.#connection = new Connection({
      url: this.#address(transport),
      transport,
      probe,
      token: this.#token.current,
      WebSocket: this.#WebSocket,
      fetch: this.#options.fetch ?? globalThis.fetch,
      deadAfterMs: this.#options.deadAfterMs ?? 45_000,
      onOpen: () => this.#opened(transport),
      onFrame: (frame) => this.#receive(frame),
      onGarbage: (text) => {
        const message = `The server sent something that is not a frame: ${text.slice(0, 100)}`;
        this.#audience.emit("error", new StreamError({ code: "bad_frame", message }));
      },
    });
    const callOff = this.#token.renewInTime(() => connection.replace("the token is renewed"));
    const attempt = await connection.ended();
    callOff();
    this.#connection = undefined;
    this.#keepCommands();
    const { status, reason } = attempt.ending;
    if (status === 401) this.#token.refused();
    const verdict = this.#retry.judge(attempt);
    if (this.#stop.signal.aborted) return AT_ONCE;
    if ("giveUp" in verdict) return this.#undoChanges(verdict.giveUp) ? AT_ONCE : verdict;
    const code = status === 401 ? "unauthorized" : "network";
    return this.#wait(verdict, new StreamError({ code, message: reason, status }));
  }

  /** Reports a failed attempt, and the wait after it. */
  #wait(retry: Retry, error: StreamError): Retry {
    if (!retry.expected) this.#audience.emit("error", error);
    const { retryInMs } = retry;
    if (retryInMs > 0) this.#setState({ state: "waiting", retryInMs, reason: error.message });
    return retry;
  }

  async #askForToken(): Promise<StreamError | undefined> {
    const aborted = new Promise<void>((resolve) => this.#stop.signal.onabort = () => resolve());
    try {
      await Promise.race([this.#token.ask(), aborted]);
      return undefined;
    } catch (error) {
      return new StreamError({ code: "token", message: `no token: ${error}` });
    }
  }

  #address(transport: api.Transport): URL {
    return connectionAddress(this.#url, {
      deviceIds: this.#ids,
      since: this.#cursor,
      snapshot: this.#wantsSnapshot,
      transport,
      options: this.#options,
    });
  }

  #opened(transport: api.Transport): void {
    this.#setState({ state: "open", transport });
    // An SSE stream's parameters are checked before it opens, a WebSocket's after.
    if (transport === "sse") this.#settleChanges();
    this.#flushCommands();
  }

  #receive({ event, data, id }: Frame): void {
    if (event !== "error") this.#settleChanges();
    if (id !== undefined) this.#cursor = id;
    // deno-lint-ignore no-explicit-any -- its shape is in the contract of each event
    const body = data as any;
    switch (event) {
      case "message":
        this.#wantsSnapshot = false;
        return this.#audience.deliver({ type: "message", data: body, id });
      case "batch":
        this.#wantsSnapshot = false;
        for (const item of body) {
          if (this.#stop.signal.aborted) return;
          if (item.id !== undefined) this.#cursor = item.id;
          this.#audience.deliver({ type: "message", data: item.data, id: item.id });
        }
        return;
      case "snapshot":
        return this.#audience.deliver({ type: "snapshot", data: body, id: undefined });
      case "presence":
        return this.#audience.emit(event, { deviceId: body.device_id, state: body.state });
      case "dropped":
        return this.#audience.emit(event, { deviceId: body.device_id, count: body.count });
      case "goodbye":
        return this.#audience.emit(event, { reason: body.reason, reconnectMs: body.reconnect_ms });
      case "resumed":
        if (this.#resuming) this.#wantsSnapshot = this.#resuming = false;
        else this.#commands.replayed();
        this.#audience.emit(event, { status: body.status, replayed: body.replayed });
        return this.#flushCommands();
      case "subscribed":
        this.#ids = new Set(body.device_ids);
        this.#commands.accepted();
        return this.#flushCommands();
      case "error": {
        const error = new StreamError({ code: body.code ?? "error", message: body.message });
        if (!this.#commands.refused(error)) this.#audience.emit("error", error);
        return this.#flushCommands();
      }
    }
  }

  /** Changes the subscription through the current or the next connection. */
  #command(command: Command): Promise<void> {
    const done = this.#commands.add(command);
    this.#flushCommands();
    return done;
  }

  #flushCommands(): void {
    const connection = this.#connection;
    if (!connection?.isOpen) return;
    if (connection.transport === "sse") {
      const message = "Cannot subscribe with a cursor: the stream is not over a WebSocket";
      return this.#commands.end(new StreamError({ code: "since_unsupported", message }));
    }
    // Until the connection's own `resumed` has arrived, it could not be told from a command's.
    if (!this.#resuming) this.#commands.flush((command) => connection.send(command));
  }

  /** Changes the subscription by opening another connection. */
  #change(ids: Set<string>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#changes.push({ before: this.#ids, resolve, reject });
      this.#ids = ids;
      if (ids.size === 0) this.#cursor = undefined;
      this.#connection?.replace("the subscription has changed");
      this.#wake?.();
    });
  }

  /** Leaves to the next connection what commands of the last one had not done. */
  #keepCommands(): void {
    const { plain, unfinished } = this.#commands.interrupted();
    for (const { command, resolve, reject } of plain) {
      this.#changes.push({ before: this.#ids, resolve, reject });
      this.#ids = applied(command, this.#ids);
    }
    const rest = applied({ action: "unsubscribe", device_ids: unfinished }, this.#ids);
    if (rest.size > 0) this.#ids = rest;
  }

  #settleChanges(): void {
    for (const { resolve } of this.#changes.splice(0)) resolve();
  }

  /** True if the server refused a change: the stream continues as it was before. */
  #undoChanges(refusal: Refusal): boolean {
    const first = this.#changes[0];
    if (!first) return false;
    this.#ids = new Set(first.before);
    for (const { reject } of this.#changes.splice(0)) reject(new StreamError(refusal));
    return true;
  }

  #setState(state: api.TelecastState): void {
    this.#state = state;
    this.#audience.emit("state", state);
  }

  #assertUsable(verb: string): void {
    if (this.#stop.signal.aborted) throw new Error(`Cannot ${verb}: the client is closed`);
  }

  /** Waits until the time is over, the network is back, or something has changed. */
  async #pause(ms: number | undefined): Promise<void> {
    if (this.#stop.signal.aborted) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (ms !== undefined) timer = setTimeout(resolve, ms);
    });
    clearTimeout(timer);
    this.#wake = undefined;
  }
}
