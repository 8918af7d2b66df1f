/** One client over all its connections; reports what it sees to its oracle. */

import { Epoch } from "../../broker/messages/message.ts";
import { beginSession } from "../../broker/streams/resume.ts";
import type { Session, SessionMode } from "../../broker/streams/session.ts";
import type { AppDeps } from "../../routes/http/deps.ts";
import { StreamCommands } from "../../routes/streams/stream_commands.ts";
import { OPEN_GRANT } from "../../routes/access/tokens.ts";
import { MAX_RATE, type Mode, type SentCommand } from "./asked.ts";
import { Expectation } from "./expectation.ts";
import { ServerWire } from "./server_wire.ts";
import type { Instance, Site } from "./site.ts";
import { FallbackEvents, FallbackSocket, type Wire, type WireOptions } from "./wire.ts";

export interface ClientPlan {
  /** Our own server, or Deno's. */
  readonly server: "server" | "fallback";
  readonly transport: "ws" | "sse";
  readonly mode: Mode;
  readonly deviceIds: string;
  readonly snapshot: boolean;
  /** Reads at once; else only on `read` actions. */
  readonly eager: boolean;
  /** The cursor of its first connection. */
  readonly since: "none" | "start" | "garbage" | "ahead" | "foreign";
}

interface Connection {
  readonly instance: Instance;
  readonly session: Session;
  readonly wire: Wire;
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
    const cut = () => wire.cut();
    const wire = openWire(plan, {
      eager: () => this.#eager,
      stamp: () => ({ position: fanout.log.position, sentAt: this.site.now }),
      onEvent: (event) => expectation.saw(event),
      onBegin: (id) => {
        if (cursor === undefined) expectation.positioned(id ?? "none");
      },
      onCommand: (text) => commands.receive(text),
      onGone: () => {
        instance.onKilled.delete(cut);
        if (this.#connection?.wire === wire) this.#connection = undefined;
        gone.abort();
        hub.close(session);
      },
    });
    const session = hub.open(wire.sink, expectation.interest, MODES[expectation.mode]);
    this.#connection = { instance, session, wire };
    instance.onKilled.add(cut);
    session.onClosed = () => gone.abort();
    const begun = beginSession(hub, session, { cursor, snapshot, signal })
      .catch(() => hub.goodbye(session, "error", 0));
    const deps = {
      hub,
      config: { maxDeviceIds: 500, limits: { commandsPerSecond: 1_000 } },
    } as unknown as AppDeps;
    const commands = new StreamCommands(deps, session, { grant: OPEN_GRANT, signal, begun });
  }

  /** The network between the client and its instance breaks. */
  cut(): void {
    this.#connection?.wire.cut();
  }

  read(frames: number): void {
    this.#connection?.wire.read(frames);
  }

  readAtOnce(): void {
    this.#eager = true;
    this.read(Infinity);
  }

  command(command: SentCommand): void {
    const connection = this.#connection;
    const isTaken = this.plan.transport === "ws" &&
      ["all", "batch"].includes(this.expectation.mode);
    if (!connection || !isTaken) return;
    this.expectation.sent(command);
    const { action, deviceIds, since } = command;
    connection.wire.send(JSON.stringify({ action, device_ids: deviceIds, since }));
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

function openWire({ server, transport }: ClientPlan, options: WireOptions): Wire {
  if (server === "server") return new ServerWire(transport, options);
  return transport === "ws" ? new FallbackSocket(options) : new FallbackEvents(options);
}
