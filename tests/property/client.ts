/** One client over all its connections: what it sees goes to its oracle. */

import { Epoch } from "../../broker/message.ts";
import { beginSession } from "../../broker/resume.ts";
import type { Session, SessionMode } from "../../broker/session.ts";
import { SseSink } from "../../broker/sse_sink.ts";
import { WsSink } from "../../broker/ws_sink.ts";
import type { AppDeps } from "../../routes/deps.ts";
import { StreamBody } from "../../routes/stream_body.ts";
import { StreamCommands } from "../../routes/stream_commands.ts";
import { OPEN_GRANT } from "../../routes/tokens.ts";
import { parseWsFrame, SseParser } from "../kit/received.ts";
import { ClientSocket } from "./client_socket.ts";
import { Expectation, MAX_RATE, type Mode, type SentCommand } from "./expectation.ts";
import type { Instance, Site } from "./site.ts";

export interface ClientPlan {
  readonly transport: "ws" | "sse";
  readonly mode: Mode;
  readonly deviceIds: string;
  readonly snapshot: boolean;
  /** Reads at once; else when it is told to. */
  readonly eager: boolean;
  /** The cursor that it begins with. */
  readonly since: "none" | "start" | "garbage" | "ahead" | "foreign";
}

interface Connection {
  readonly instance: Instance;
  readonly session: Session;
  readonly commands: StreamCommands;
  readonly socket: ClientSocket | undefined;
  readonly end: () => void;
}

const MODES: Record<Mode, SessionMode> = {
  all: {},
  batch: { batchMs: 20 },
  latest: { latest: true },
  rate: { latest: true, maxRate: MAX_RATE },
};

export class Client {
  readonly expectation: Expectation;
  #connection: Connection | undefined;
  #eager: boolean;
  #hasBegun = false;

  constructor(private readonly site: Site, private readonly plan: ClientPlan) {
    const mode = plan.transport === "sse" && plan.mode === "batch" ? "all" : plan.mode;
    this.expectation = new Expectation(site, mode, plan.deviceIds);
    this.#eager = plan.eager;
  }

  get connected(): boolean {
    return this.#connection !== undefined;
  }

  connect(instance: Instance): void {
    if (this.connected || !instance.serving) return;
    const { hub, fanout } = instance;
    const { expectation, plan } = this;
    const { snapshot } = plan;
    const cursor = expectation.lastId ?? (this.#hasBegun ? undefined : this.#firstCursor());
    this.#hasBegun = true;
    const position = fanout.log.position;
    expectation.connected({ cursor, snapshot, position });
    const gone = new AbortController();
    const { signal } = gone;
    const end = () => {
      instance.onKilled.delete(cut);
      if (this.#connection?.session === session) this.#connection = undefined;
      gone.abort();
      hub.close(session);
    };
    const socket = plan.transport === "sse" ? undefined : new ClientSocket({
      eager: () => this.#eager,
      stamp: (text) => ({ text, position: fanout.log.position, sentAt: this.site.now }),
      onFrame: ({ text, ...sent }) => expectation.saw({ ...parseWsFrame(text), ...sent }),
      onClosed: end,
    });
    const cut = () => {
      socket?.cut();
      end();
    };
    const body = socket ? undefined : new StreamBody(end);
    const sink = body ? new SseSink(body) : new WsSink(socket!);
    const session: Session = hub.open(sink, expectation.interest, MODES[expectation.mode]);
    session.onClosed = () => gone.abort();
    const begun = beginSession(hub, session, { cursor, snapshot, signal })
      .catch(() => hub.goodbye(session, "error", 0));
    const deps = {
      hub,
      config: { maxDeviceIds: 500, limits: { commandsPerSecond: 1_000 } },
    } as unknown as AppDeps;
    const commands = new StreamCommands(deps, session, { grant: OPEN_GRANT, signal, begun });
    this.#connection = { instance, session, commands, socket, end: cut };
    instance.onKilled.add(cut);
    if (body) void this.#readEvents(body, cursor === undefined, instance);
  }

  /** The network between it and its instance breaks. */
  cut(): void {
    this.#connection?.end();
  }

  read(frames: number): void {
    this.#connection?.socket?.read(frames);
  }

  readAtOnce(): void {
    this.#eager = true;
    this.read(Infinity);
  }

  command(command: SentCommand): void {
    const connection = this.#connection;
    if (!connection?.socket || !["all", "batch"].includes(this.expectation.mode)) return;
    this.expectation.sent(command);
    const { action, deviceIds, since } = command;
    connection.commands.receive(JSON.stringify({ action, device_ids: deviceIds, since }));
  }

  /** Reads Server-Sent Events until the server ends them, or the network does. */
  async #readEvents(body: StreamBody, isFresh: boolean, instance: Instance): Promise<void> {
    const parser = new SseParser();
    const connection = this.#connection!;
    let isFirst = true;
    const decoder = new TextDecoder();
    for await (const bytes of body.stream) {
      if (this.#connection !== connection) return;
      const text = decoder.decode(bytes, { stream: true });
      const id = /^retry: 3000\n\n(?:id: (\S+)\n\n)?/.exec(text)?.[1];
      if (isFirst && isFresh) this.expectation.positioned(id ?? "none");
      isFirst = false;
      const position = instance.fanout.log.position;
      for (const event of parser.push(text)) {
        this.expectation.saw({ ...event, position, sentAt: this.site.now });
      }
    }
    if (this.#connection === connection) this.#connection = undefined;
  }

  #firstCursor(): string | undefined {
    const { site, plan } = this;
    switch (plan.since) {
      case "start":
        return site.epoch.cursor(0);
      case "ahead":
        return site.epoch.cursor(site.storedHead + 1_000_000);
      case "garbage":
        return "x".repeat(10_000);
      case "foreign":
        return new Epoch("foreign").cursor(1);
      case "none":
        return undefined;
    }
  }
}
