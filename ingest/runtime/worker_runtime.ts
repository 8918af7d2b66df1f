/** What every source's worker runs: the protocol with the main thread, around one source. */

import { reasonOf } from "../../telemetry/log.ts";
import { Fault } from "../../telemetry/log_text.ts";
import { BoundedLines } from "./bounded_lines.ts";
import { MessageCheck } from "../messages/check.ts";
import { BatchingIntake, DEFAULT_LIMITS } from "./intake.ts";
import { epochMs, type FromWorker, type ToWorker } from "./protocol.ts";
import type { Origin } from "../messages/origin.ts";
import type { JobOf, Source, SourceContext, SourceLogLevel, SourceState } from "./source.ts";

export interface SourceKind<C> {
  create(config: C, context: SourceContext): Source;
  jobOf?(config: C): JobOf;
}

/** The worker's end of the channel to the main thread. */
export interface Port {
  postMessage(message: FromWorker): void;
  onmessage: ((event: MessageEvent) => void) | null;
}

type Start = Extract<ToWorker, { type: "start" }>;
type Publish = Extract<ToWorker, { type: "publish" }>;

const HEARTBEAT_MS = 1_000;
const MALFORMED_LOG = { intervalMs: 10_000, maxLines: 5 };
const MAX_TOPIC_CHARS = 200;

/** Runs one source in this worker. `C` is the type of {@linkcode WorkerConfig.source}. */
export function runSource<C>(
  kind: SourceKind<C>,
  port: Port = globalThis as unknown as Port,
): void {
  let running: RunningSource<C> | undefined;
  let stopped = false;
  /** Messages to publish that arrived before the source was made. */
  let early: Publish[] = [];
  const start = (message: Start) => {
    if (stopped) return;
    running?.discard();
    running = new RunningSource(kind, message, port);
    for (const publish of early) running.publish(publish);
    early = [];
  };
  port.onmessage = ({ data }: MessageEvent<ToWorker>) => {
    if (data.type === "start") {
      const { modules = [] } = data.config;
      // A module that cannot be imported is reported like any other failure of the worker.
      if (modules.length === 0) start(data);
      else Promise.all(modules.map((url) => import(url))).then(() => start(data));
    } else if (data.type === "stored") running?.stored(data.batch);
    else if (data.type === "publish") {
      if (running) running.publish(data);
      else early.push(data);
    } else if (running) running.stop();
    else {
      stopped = true;
      port.postMessage({ type: "stopped" });
    }
  };
  reportFailures(port);
  port.postMessage({ type: "loaded" });
}

/** Otherwise Deno would print the error outside the log, and could end the main thread. */
function reportFailures(port: Port): void {
  const report = (event: Event, error: unknown) => {
    event.preventDefault();
    const fault = Fault.of(error).toString();
    port.postMessage({ type: "failed", reason: reasonOf(error), fault });
  };
  addEventListener("error", (event) => report(event, event.error));
  addEventListener("unhandledrejection", (event) => report(event, event.reason));
}

/** A source from its `start` to its `stop`. */
class RunningSource<C> {
  readonly #source: Source;
  readonly #intake: BatchingIntake;
  readonly #heartbeat: ReturnType<typeof setInterval>;
  readonly #malformed: BoundedLines;
  readonly #dropped: BoundedLines;
  #connections = 0;
  #connected = false;
  #stopping = false;

  constructor(
    kind: SourceKind<C>,
    start: Start,
    private readonly port: Port,
  ) {
    const { source, check, limits, heartbeatMs = HEARTBEAT_MS } = start.config;
    const config = source as C;
    const warn = (text: string) => this.#log("warning", text);
    this.#malformed = new BoundedLines(warn, MALFORMED_LOG);
    this.#dropped = new BoundedLines(warn, { intervalMs: 10_000, maxLines: 1 });
    this.#intake = new BatchingIntake({
      check: new MessageCheck(check),
      limits: { ...DEFAULT_LIMITS, ...limits },
      jobOf: kind.jobOf?.(config),
      post: (batch, messages, receivedAt) =>
        this.port.postMessage({
          type: "batch",
          batch,
          messages,
          receivedAt,
          postedAt: epochMs(),
        }),
      onRefused: (refusal, origin, bytes) => {
        this.#malformed.line(
          `skipped messages, ${refusal}`,
          () => `message skipped: ${refusal}, ${bytes} bytes, ${describe(origin)}`,
        );
      },
      onNoWork: (reason, origin) => {
        this.#malformed.line(
          `messages not delivered, ${reason}`,
          () => `message not delivered: ${reason}, ${describe(origin)}`,
        );
      },
      log: (level, text) => this.#log(level, text),
      onDropped: (count, reason) => {
        this.#dropped.line(`dropped messages, ${reason}`, () => `${count} dropped: ${reason}`);
      },
    });
    this.#source = kind.create(config, {
      previousTopics: start.previousTopics,
      onSubscribed: (topics) => this.port.postMessage({ type: "subscribed", topics }),
    });
    this.#heartbeat = setInterval(() => this.#beat(), heartbeatMs);
    this.#source.start(this.#intake, (state) => this.#onState(state));
  }

  stored(batch: number): void {
    this.#intake.stored(batch);
  }

  async publish({ id, message, timeoutMs }: Publish): Promise<void> {
    try {
      if (!this.#source.publish) throw new Error("Cannot publish: this source only receives");
      await this.#source.publish(message, timeoutMs);
      this.port.postMessage({ type: "published", id });
    } catch (error) {
      this.port.postMessage({ type: "published", id, error: reasonOf(error) });
    }
  }

  /** Posts `stopped` once the source has disconnected; acks continue until then. */
  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    try {
      await this.#source.stop();
    } catch (error) {
      this.#log("warning", `not stopped cleanly: ${reasonOf(error)}`);
    }
    clearInterval(this.#heartbeat);
    this.#beat();
    this.port.postMessage({ type: "stopped" });
  }

  discard(): void {
    clearInterval(this.#heartbeat);
    this.#source.stop().catch(() => {});
  }

  #onState(state: SourceState): void {
    if (state.state === "connected" && !this.#connected) {
      if (++this.#connections > 1) this.#intake.counters.reconnects++;
    }
    this.#connected = state.state === "connected";
    this.port.postMessage({ type: "state", state });
  }

  #beat(): void {
    const detail = this.#source.detail?.();
    const counters = { ...this.#intake.counters };
    this.#malformed.flush();
    this.#dropped.flush();
    this.port.postMessage({ type: "heartbeat", counters, ...(detail && { detail }) });
  }

  #log(level: SourceLogLevel, text: string): void {
    this.port.postMessage({ type: "log", level, text });
  }
}

function describe(origin: Origin): string {
  const topic = origin.topic.length > MAX_TOPIC_CHARS
    ? `${origin.topic.slice(0, MAX_TOPIC_CHARS)}…`
    : origin.topic;
  const detail = origin.detail === undefined ? "" : `, ${origin.detail}`;
  return `topic ${JSON.stringify(topic)}${detail}`;
}
