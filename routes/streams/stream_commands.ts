/** The commands of a client on its WebSocket. */

import { z } from "zod";
import { Interest } from "../../broker/messages/interest.ts";
import { writable } from "../../broker/streams/pace.ts";
import { RateLimit } from "../../lib/rate_limit.ts";
import { addToSession } from "../../broker/streams/resume.ts";
import type { Session } from "../../broker/streams/session.ts";
import { problems } from "../../telemetry/metrics.ts";
import type { AppDeps } from "../http/deps.ts";
import { faultText } from "../http/fault_text.ts";
import { excessOf } from "../http/json_size.ts";
import { checkedIds, QueryError } from "./stream_query.ts";
import { type Grant, narrow } from "../access/tokens.ts";

const ids = z.array(z.string()).min(1);
export const commandSchema = z.discriminatedUnion("action", [
  z.object({
    action: z.literal("subscribe"),
    device_ids: ids,
    since: z.string().optional(),
    snapshot: z.boolean().optional(),
  }),
  z.object({ action: z.literal("unsubscribe"), device_ids: ids }),
  z.object({ action: z.literal("ping") }),
]);
type Command = z.infer<typeof commandSchema>;

export const MAX_COMMAND_BYTES = 65_536;
const MAX_ERRORS_A_MINUTE = 100;
/** Bytes of waiting commands; each counts its length plus a fixed amount. */
const MAX_WAITING_BYTES = 1_048_576;
const COMMAND_BYTES = 1024;
/** Seconds' worth of commands that may arrive at once. */
const BURST_SECONDS = 10;
const TOO_BIG = 1009;
const POLICY_VIOLATION = 1008;

export interface CommandOptions {
  readonly grant: Grant;
  readonly signal: AbortSignal;
  /** Resolves when the stream has begun as its query asked; commands wait for it. */
  readonly begun: Promise<void>;
}

/** Carries out a client's commands, one after another, while the client reads their answers. */
export class StreamCommands {
  #errors = 0;
  #minute = 0;
  #waitingBytes = 0;
  #last: Promise<void>;
  readonly #rate: RateLimit;

  constructor(
    private readonly deps: AppDeps,
    private readonly session: Session,
    private readonly options: CommandOptions,
  ) {
    this.#last = options.begun;
    const { commandsPerSecond: perSecond } = deps.config.limits;
    this.#rate = new RateLimit({
      perSecond,
      burst: perSecond * BURST_SECONDS,
      monotonic: () => performance.now(),
    });
  }

  /** Takes what the client sent; answers an invalid frame with an `error` frame. */
  receive(data: unknown): void {
    try {
      this.#receive(data);
    } catch (error) {
      this.deps.hub.fail(this.session, error);
    }
  }

  #receive(data: unknown): void {
    if (this.session.closed) return;
    const bytes = byteLength(data);
    if (bytes > MAX_COMMAND_BYTES) return this.receiveTooBig();
    if (this.#rate.take() > 0) {
      problems.count("too_many_commands");
      const most = this.deps.config.limits.commandsPerSecond;
      return this.#error("too_many_commands", `at most ${most} commands a second: send it again`);
    }
    const command = this.#parse(data);
    if (command) this.#enqueue(command, bytes + COMMAND_BYTES);
  }

  /** A command is longer than {@linkcode MAX_COMMAND_BYTES}. */
  receiveTooBig(): void {
    this.#refuse(TOO_BIG, "frame too big");
  }

  #enqueue(command: Command, cost: number): void {
    this.#waitingBytes += cost;
    if (this.#waitingBytes > MAX_WAITING_BYTES) {
      return this.#refuse(POLICY_VIOLATION, "too many commands");
    }
    this.#last = this.#last.then(async () => {
      await writable(this.session, this.options.signal);
      await this.#carryOut(command);
      this.#waitingBytes -= cost;
    }).catch((error) => this.deps.hub.fail(this.session, error));
  }

  #parse(data: unknown): Command | undefined {
    const excess = typeof data === "string" ? excessOf(data) : undefined;
    if (excess) return this.#error("bad_json", `a command may not have ${excess}`);
    let value: unknown;
    try {
      value = typeof data === "string" ? JSON.parse(data) : undefined;
    } catch {
      // Reported below.
    }
    if (value === undefined) return this.#error("bad_json", "a command must be JSON text");
    const parsed = commandSchema.safeParse(value, { error: faultText });
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    if (issue?.path[0] === "action" || issue?.path.length === 0) {
      return this.#error("unknown_action", "action must be subscribe, unsubscribe or ping");
    }
    return this.#error(
      `bad_${String(issue?.path[0])}`,
      `${issue?.path.join(".")}: ${issue?.message}`,
    );
  }

  #error(code: string, message: string): undefined {
    this.session.sink.event("error", JSON.stringify({ message, code }));
    const minute = Math.floor(performance.now() / 60_000);
    if (minute !== this.#minute) this.#errors = 0;
    this.#minute = minute;
    if (++this.#errors > MAX_ERRORS_A_MINUTE) {
      this.#refuse(POLICY_VIOLATION, "too many errors");
    }
  }

  #refuse(code: number, reason: string): void {
    this.deps.hub.close(this.session, code, reason);
  }

  async #carryOut(command: Command): Promise<void> {
    if (this.session.closed) return;
    if (command.action === "ping") return this.deps.hub.ping(this.session);
    try {
      const { maxDeviceIds } = this.deps.config;
      const named = checkedIds(() => Interest.list(command.device_ids, maxDeviceIds));
      if (named.empty) throw new QueryError("bad_device_ids", "device_ids names no device");
      if (command.action === "subscribe") await this.#subscribe(named, command);
      else this.#unsubscribe(named, command.device_ids);
    } catch (error) {
      if (!(error instanceof QueryError)) throw error;
      this.#error(error.code, error.message);
    }
  }

  #unsubscribe(named: Interest, entries: readonly string[]): void {
    // An id given as `device_id` may have spaces around it.
    const items = [...named.items, ...entries];
    if (named.all) items.push(...this.options.grant.devices.items);
    const left = this.session.interest.without({ items });
    this.deps.hub.reattach(this.session, left);
    this.#subscribed(left);
  }

  async #subscribe(
    named: Interest,
    { since, snapshot }: { since?: string | undefined; snapshot?: boolean | undefined },
  ): Promise<void> {
    const { hub, config } = this.deps;
    const { grant, signal } = this.options;
    const narrowed = narrow(named, grant);
    if ("denied" in narrowed) {
      throw new QueryError("device_not_granted", "the token does not grant all of these devices");
    }
    // `*` asks for everything that a token grants, however many ids that is.
    const maxIds = Math.max(config.maxDeviceIds, grant.devices.items.length);
    const all = checkedIds(() => this.session.interest.with(narrowed.granted, maxIds));
    this.#subscribed(all);
    await addToSession(hub, this.session, narrowed.granted, {
      all,
      cursor: since,
      snapshot,
      signal,
    });
  }

  #subscribed({ items }: Interest): void {
    this.session.sink.event("subscribed", JSON.stringify({ device_ids: items }));
  }
}

function byteLength(data: unknown): number {
  if (typeof data === "string") {
    // Each UTF-16 unit takes at least one byte, so text that is far too long is not encoded.
    const { length } = data;
    if (length * 3 <= MAX_COMMAND_BYTES || length > MAX_COMMAND_BYTES) return length;
    return new TextEncoder().encode(data).length;
  }
  return data instanceof ArrayBuffer ? data.byteLength : data instanceof Blob ? data.size : 0;
}
