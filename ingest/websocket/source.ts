/** Messages from an upstream WebSocket: from devices, to be streamed, and from people, as jobs. */

import { NO_BACKEND } from "../../broker/deliveries/inbound_peer.ts";
import { BoundedLines } from "../runtime/bounded_lines.ts";
import { sleep } from "../../lib/clock.ts";
import type { Intake, Source, SourceDetail, SourceState } from "../runtime/source.ts";
import { Connection } from "./connection.ts";
import { type Part, partsOf } from "./frame.ts";
import { type PaceOptions, SteadyPace } from "./pace.ts";

/** The configuration of a worker; must survive a structured clone. */
export interface WebSocketSourceConfig {
  /** `ws://` or `wss://`; may contain a token in its query, so it is never shown. */
  readonly url: string;
  readonly maxMessageBytes: number;
  readonly deviceIdPath?: readonly string[] | undefined;
  /** False in shadow mode, where another system answers: nothing is sent to the server. */
  readonly answers: boolean;
  /** False if nothing handles messages from people: each is answered with an error. */
  readonly takesInbound?: boolean | undefined;
  readonly pace?: PaceOptions | undefined;
  readonly pingMs?: number | undefined;
}

const PING_MS = 20_000;
/** After a connection that lasted this long, the next failure counts as the first. */
const STEADY_MS = 10_000;
const SAID_LOG = { intervalMs: 10_000, maxLines: 5 };
const ORIGIN = { topic: "websocket" };
/** The part of a frame around the payload of an event. */
const ENVELOPE_BYTES = 4_096;

const NOTHING = new Uint8Array();
const encoder = new TextEncoder();

/**
 * Connects, and reconnects forever. A message from a person is acked to the server once it is
 * stored. After a reconnect, a stream whose frames carry cursors resumes after the last stored
 * message.
 */
export class WebSocketSource implements Source {
  readonly #stop = new AbortController();
  readonly #pace: SteadyPace;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });
  #running: Promise<void> = Promise.resolve();
  #connection: Connection | undefined;
  #intake!: Intake;
  #onState!: (state: SourceState) => void;
  /** Cursor of the last stored message of a stream. */
  #since: string | undefined;
  #unstored = 0;
  #acked = 0;
  readonly #said = new BoundedLines((text) => this.#intake.log("warning", text), SAID_LOG);

  constructor(private readonly config: WebSocketSourceConfig) {
    this.#pace = new SteadyPace(config.pace);
  }

  start(intake: Intake, onState: (state: SourceState) => void): void {
    this.#intake = intake;
    this.#onState = onState;
    this.#running = this.#run();
  }

  detail(): SourceDetail {
    return { acked: this.#acked };
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#connection?.close();
    await this.#running;
    this.#onState({ state: "stopped" });
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      this.#onState({ state: "connecting" });
      const reason = await this.#live();
      if (signal.aborted) return;
      const retryMs = this.#pace.next();
      this.#intake.log("warning", `not connected: ${reason}; next try in ${retryMs} ms`);
      this.#onState({ state: "waiting", reason, retryMs });
      await sleep(retryMs, signal);
    }
  }

  /** Runs one connection; resolves with the reason why it ended. */
  #live(): Promise<string> {
    return new Promise((resolve) => {
      let openedAt = Infinity;
      const connection = this.#connection = new Connection({
        url: this.#address(),
        pingMs: this.config.pingMs ?? PING_MS,
        onOpen: () => {
          openedAt = performance.now();
          this.#intake.log("info", "connected");
          this.#onState({ state: "connected" });
        },
        onFrame: (bytes) => {
          if (this.#stop.signal.aborted) return;
          // A server that sends something is up, however soon the connection ends.
          this.#pace.reset();
          this.#take(bytes, connection);
          const wait = this.#intake.ready();
          if (wait) connection.pause(wait);
        },
        onEnd: (reason) => {
          if (performance.now() - openedAt > STEADY_MS) this.#pace.reset();
          resolve(reason);
        },
      });
    });
  }

  /** If the stream has cursors, resumes from the last stored one. */
  #address(): string {
    if (this.#since === undefined) return this.config.url;
    const url = new URL(this.config.url);
    url.searchParams.set("since", this.#since);
    return url.href;
  }

  #take(bytes: Uint8Array, connection: Connection): void {
    // A frame too large for any message is not parsed; the intake counts it.
    if (bytes.length > 2 * this.config.maxMessageBytes + ENVELOPE_BYTES) {
      return this.#intake.receive(bytes, ORIGIN);
    }
    let text: string;
    try {
      text = this.#decoder.decode(bytes);
    } catch {
      return this.#intake.receive(bytes, ORIGIN);
    }
    for (const part of partsOf(text, this.config.deviceIdPath)) this.#hand(part, connection);
  }

  #hand(part: Part, connection: Connection): void {
    if (part.kind === "inbound" && this.config.answers && this.config.takesInbound === false) {
      const { id, body } = part.message;
      this.#intake.receive(encoder.encode(body), { ...ORIGIN, detail: NO_BACKEND.message });
      connection.send(JSON.stringify({ event: "error", data: { ...NO_BACKEND, id } }));
    } else if (part.kind === "inbound") {
      const { message } = part;
      const ack = () => this.#ack(message.id, connection);
      this.#intake.receive(NOTHING, { ...ORIGIN, inbound: message }, ack);
    } else if (part.kind === "telemetry") {
      const { cursor } = part;
      this.#unstored++;
      this.#intake.receive(encoder.encode(part.text), ORIGIN, () => {
        this.#unstored--;
        if (cursor) this.#since = cursor;
      });
    } else if (part.kind === "position") {
      // Advances the cursor of a quiet stream, so that it is still valid at a reconnect.
      if (this.#unstored === 0) this.#since = part.cursor;
    } else if (part.kind === "bad") {
      this.#intake.receive(encoder.encode(part.text), { ...ORIGIN, detail: part.why });
    } else this.#said.line("the server reports", () => `the server reports ${part.text}`);
  }

  /** Uses the connection that the message came over: on another, the server would not know it. */
  #ack(id: string | undefined, connection: Connection): void {
    if (!this.config.answers) return;
    this.#acked++;
    connection.send(JSON.stringify({ event: "ack", data: { id: id ?? null } }));
  }
}
