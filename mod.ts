/**
 * Telecast as part of your own program:
 *
 *     import { Telecast } from "@telecast/telecast";
 *
 *     await using telecast = await Telecast.start({ messageTypes: new URL("./types.ts", import.meta.url) });
 *     await telecast.addCompany("chia", "Chía");
 *     Deno.serve({ port: 8000 }, telecast.fetch);
 */

import type { HandlingContext, MessageHandler } from "./broker/deliveries/alarm_handler.ts";
import type { Backend } from "./broker/deliveries/backend.ts";
import type { WhatsApp } from "./broker/deliveries/whatsapp.ts";
import { readConfig } from "./config/read.ts";
import type { Problem } from "./config/problem.ts";
import { handlerOf } from "./ingest/messages/botonera/message_types.ts";
import type { SourceKind } from "./ingest/runtime/source_kind.ts";
import { SOURCES } from "./ingest/sources.ts";
import type { OwnSource } from "./ingest/runtime/source.ts";
import { closeLog, configureLog } from "./telemetry/log.ts";
import { type Program, startProgram } from "./program.ts";

export { Backend } from "./broker/deliveries/backend.ts";
export { DeliveryError } from "./broker/deliveries/delivery.ts";
export { WhatsApp, type WhatsAppMessage } from "./broker/deliveries/whatsapp.ts";
export { type MessageType, registerMessageType } from "./ingest/messages/botonera/message_types.ts";
export { InvalidTopicError } from "./ingest/mqtt/topic_name.ts";
export { defineSource } from "./ingest/runtime/source_kind.ts";
export type { HandlingContext, MessageHandler, OwnSource, Problem, SourceKind };

export interface TelecastOptions {
  /** Variables as README.md lists them; by default, those of the process. */
  readonly env?: Readonly<Record<string, string>>;
  /** As on the command line, e.g. `["--mqtt"]`. */
  readonly flags?: readonly string[];
  /** A module that calls registerMessageType(); this thread and every source's worker import it. */
  readonly messageTypes?: URL;
  /**
   * Your own sources. A {@linkcode SourceKind} is configured by its variables and flags, like the
   * built-in ones; an {@linkcode OwnSource} always runs, whatever the flags are.
   */
  readonly sources?: readonly (OwnSource | SourceKind)[];
  /** Handles messages from people instead of the backend; called again later if it throws. */
  readonly onInbound?: MessageHandler;
}

/** The configuration is invalid; `problems` lists every variable or flag that is wrong. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";

  constructor(readonly problems: readonly Problem[]) {
    super(problems.map(({ name, message }) => `${name} ${message}`).join("; "));
  }
}

const isKind = (source: OwnSource | SourceKind): source is SourceKind => "variables" in source;
const isOwn = (source: OwnSource | SourceKind): source is OwnSource => !isKind(source);

/** The program without its command line: sources, streams, deliveries. You serve its `fetch`. */
export class Telecast implements AsyncDisposable {
  private constructor(private readonly program: Program) {}

  /**
   * Resolves once messages flow; sources connect in the background.
   * @throws {ConfigError}
   * @throws {StoreError} if the store cannot be opened.
   */
  static async start(options: TelecastOptions = {}): Promise<Telecast> {
    const { env, flags = [], messageTypes, onInbound, sources = [] } = options;
    const read = env ? (name: string) => env[name] : (name: string) => Deno.env.get(name);
    const kinds = [...SOURCES, ...sources.filter(isKind)];
    const result = readConfig(read, { sources: kinds, args: flags });
    if (!result.ok) throw new ConfigError(result.problems);
    try {
      await configureLog(result.config.log);
    } catch {
      throw new ConfigError([{ name: "LOG_FILE", message: "cannot be opened: check its folder" }]);
    }
    if (messageTypes) await import(messageTypes.href);
    const program = await startProgram(result.config, {
      modules: messageTypes ? [messageTypes.href] : [],
      kinds,
      sources: sources.filter(isOwn),
      ...(messageTypes || onInbound ? { handlers: { handlerOf, onInbound } } : {}),
    });
    await program.ready;
    return new Telecast(program);
  }

  /** Answers every route, including streams: for `Deno.serve`, or as part of another server. */
  get fetch(): Program["fetch"] {
    return this.program.fetch;
  }

  /** The client of BACKEND_URL; undefined if that is not set. */
  get backend(): Backend | undefined {
    return this.program.work.backend;
  }

  /** The client of WHATSAPP_API_URL; undefined if that is not set. */
  get whatsapp(): WhatsApp | undefined {
    return this.program.work.whatsapp;
  }

  /** Applies on every instance within a second. Rejects while the store is unavailable. */
  async addCompany(id: string, name: string): Promise<void> {
    await this.program.companies.add({ id, name });
  }

  /**
   * Publishes to devices: text as is, anything else as JSON, to the MQTT broker with QoS 1.
   * Resolves after the broker's ack.
   * @throws {InvalidTopicError} if the topic is not valid in MQTT.
   * @throws {Error} if there is no broker, or no ack within 5 s.
   */
  publish(topic: string, payload: unknown): Promise<void> {
    return this.program.publish(topic, payload);
  }

  /** Disconnects from the brokers, sends goodbye to the clients, closes the store. */
  async stop(): Promise<void> {
    await this.program.stop();
    await closeLog();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
