/** One connection to an MQTT broker. Acks are sent after the append, not by the parser. */

import { Buffer } from "node:buffer";
import mqtt, { type IClientOptions, type IPublishPacket, type MqttClient } from "mqtt";
import type { Outgoing } from "../runtime/source.ts";
import { beyondLimits, type BrokerLimits } from "./broker_limits.ts";
import type { MqttVersion } from "./connect_options.ts";
import {
  ConnectionProblem,
  failure,
  goodbye,
  refusal,
  refusedPublish,
  type SettingNames,
} from "./problem.ts";

/** A message as received. */
export interface Inbound {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** Sends PUBACK or PUBREC; undefined at QoS 0. Does nothing once the connection is gone. */
  readonly ack: (() => void) | undefined;
  /** Must be called if it is neither acked nor kept, so that it is accepted when sent again. */
  readonly abandon?: (() => void) | undefined;
}

export interface ConnectionListener {
  /** Called when the broker has accepted the CONNECT, before any message. */
  onSession(present: boolean): void;
  /** `done` lets the parser continue with the next packet. */
  onMessage(message: Inbound, done: () => void): void;
}

export interface ConnectionSettings {
  readonly options: IClientOptions;
  /** `host:port`, for messages. */
  readonly at: string;
  readonly names: SettingNames;
  readonly inflightQos2: Qos2Ids;
  /** Changes payloads before they are sent; without it they are sent unchanged. */
  readonly encode?: Encode | undefined;
}

/** Encodes a payload for a broker that speaks `version`; the content type is for MQTT 5. */
export type Encode = (
  payload: string,
  version: MqttVersion,
) => { readonly payload: string | Uint8Array; readonly contentType?: string };

/**
 * QoS 2 messages that were passed on and not yet released by the broker, by packet id, and whether
 * they are stored. Belongs to the session, so it outlives a connection.
 */
export type Qos2Ids = Map<number, { stored: boolean; connection: Connection }>;

interface Connack {
  readonly sessionPresent?: boolean;
  readonly reasonCode?: number;
  readonly returnCode?: number;
  readonly properties?: BrokerLimits;
}

type Packet = { cmd: string; messageId?: number; reasonCode?: number };
type SendPacket = (packet: Packet, done?: () => void, ...rest: unknown[]) => void;

/** Internals of the client that this file uses; a test fails if the library changes them. */
interface Internals {
  _sendPacket: SendPacket;
  incomingStore: {
    get(packet: Packet, done: (error: unknown, found?: IPublishPacket) => void): void;
  };
  stream: { cork?(): void; uncork?(): void; destroy(): void; end(): void };
}

const noop = () => {};
/** AWS IoT Core accepts no more. */
const TOPICS_A_PACKET = 8;

/** Connects when it is constructed; has ended when {@linkcode closed} resolves. */
export class Connection {
  /** Resolves when the broker has accepted the CONNECT and the client is ready; never rejects. */
  readonly connected: Promise<void>;
  /** Resolves with the reason when the connection has ended, even if it was never established. */
  readonly closed: Promise<ConnectionProblem>;
  #accepted = false;
  #problem: ConnectionProblem | undefined;
  #over = false;
  #corked = false;
  #closeTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #client: MqttClient;
  readonly #internals: Internals;
  readonly #send: SendPacket;
  readonly #close = Promise.withResolvers<ConnectionProblem>();
  /** Rejects publishes without an ack. Reactions to `closed` would pile up until it resolves. */
  readonly #unacked = new Set<(error: Error) => void>();
  #broker: BrokerLimits = {};

  constructor(
    private readonly settings: ConnectionSettings,
    private readonly listener: ConnectionListener,
  ) {
    const connected = Promise.withResolvers<void>();
    this.connected = connected.promise;
    this.closed = this.#close.promise;
    const client = this.#client = mqtt.connect(settings.options);
    this.#internals = client as unknown as Internals;
    this.#send = this.#internals._sendPacket.bind(client);
    this.#internals._sendPacket = (packet, done, ...rest) => this.#onSend(packet, done, rest);
    client.handleMessage = (packet, done) => this.#onPublish(packet, done);
    client.on("packetreceive", (packet) => {
      if (packet.cmd === "connack") this.#onConnack(packet);
      else if (packet.cmd === "disconnect") {
        const text = goodbye(packet.reasonCode ?? 0, settings.at, this.clientId);
        this.#problem = new ConnectionProblem(text);
        this.#destroy();
      }
    });
    client.on("connect", () => connected.resolve());
    client.on("error", (error) => this.#onError(error));
    client.on("close", () => this.#onClose());
  }

  get version(): MqttVersion {
    return this.settings.options.protocolVersion === 5 ? 5 : 4;
  }

  get clientId(): string {
    return this.settings.options.clientId!;
  }

  /**
   * Subscribes. With MQTT 5, existing subscriptions do not get their retained messages again.
   * Resolves with the topics that the broker refused.
   */
  async subscribe(topics: readonly string[], qos: 0 | 1 | 2): Promise<string[]> {
    const packets: Promise<string[]>[] = [];
    for (let i = 0; i < topics.length; i += TOPICS_A_PACKET) {
      packets.push(this.#subscribe(topics.slice(i, i + TOPICS_A_PACKET), qos));
    }
    return (await Promise.all(packets)).flat();
  }

  #subscribe(topics: readonly string[], qos: 0 | 1 | 2): Promise<string[]> {
    const options = this.version === 5 ? { qos, rh: 1 } : { qos };
    return new Promise((resolve, reject) => {
      this.#client.subscribe([...topics], options, (error, _granted, packet) => {
        const codes = (packet as { granted?: (number | { qos: number })[] } | undefined)?.granted;
        if (!codes) return error ? reject(error) : resolve([]);
        const refused = topics.filter((_, i) => (Number(codes[i]) & 0x80) !== 0);
        if (error && refused.length === 0) reject(error);
        else resolve(refused);
      });
    });
  }

  unsubscribe(topics: readonly string[]): Promise<void> {
    if (topics.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#client.unsubscribe([...topics], {}, (error) => error ? reject(error) : resolve());
    });
  }

  /** Number of unacknowledged QoS 1 and 2 messages that the broker accepts. */
  get receiveMaximum(): number {
    return this.#broker.receiveMaximum ?? 65_535;
  }

  /**
   * Resolves after PUBACK or PUBCOMP; at QoS 0 when it is written.
   * @throws {Error} if the broker refuses the message or the connection is lost before the ack.
   */
  publish({ topic, payload, qos }: Outgoing): Promise<void> {
    const encoded = this.settings.encode?.(payload, this.version);
    const body = encoded?.payload ?? payload;
    const bytes = typeof body === "string"
      ? Buffer.from(body)
      : Buffer.from(body.buffer, body.byteOffset, body.length);
    const options = {
      qos,
      ...(encoded?.contentType && { properties: { contentType: encoded.contentType } }),
    };
    const code = beyondLimits(this.#broker, { topic, payloadBytes: bytes.length, qos });
    if (code !== undefined) return Promise.reject(this.#refused(code, topic));
    return new Promise((resolve, reject) => {
      this.#unacked.add(reject);
      this.#client.publish(topic, bytes, options, (error) => {
        this.#unacked.delete(reject);
        if (error) reject(this.#refused(error, topic));
        else resolve();
      });
    });
  }

  /**
   * Keeps the connection alive while reading is paused on purpose: pings the broker, and resets the
   * client's own check, because no answer to a ping can be read.
   */
  keepAlive(): void {
    if (!this.#client.connected) return;
    this.#client.sendPing();
    this.#client.reschedulePing(true);
  }

  /** Sends a DISCONNECT; drops the connection if it has not ended after `timeoutMs`. */
  async end(timeoutMs = 500, reason = "closed by this client"): Promise<void> {
    this.#problem ??= new ConnectionProblem(reason);
    const timer = setTimeout(() => this.#destroy(), timeoutMs);
    // The library's graceful end() would wait forever for the acks of publishes.
    if (this.#client.connected) {
      this.#send({ cmd: "disconnect", reasonCode: 0 }, () => this.#internals.stream.end());
    } else this.#destroy();
    await this.closed;
    clearTimeout(timer);
  }

  #onConnack(packet: Connack): void {
    this.#broker = packet.properties ?? {};
    const code = (this.version === 5 ? packet.reasonCode : packet.returnCode) ??
      packet.returnCode ?? 0;
    if (code === 0) {
      this.#accepted = true;
      const present = packet.sessionPresent === true;
      if (!present) this.settings.inflightQos2.clear();
      this.listener.onSession(present);
    } else this.#problem = refusal(code, this.settings.at, this.settings.names);
  }

  /** For QoS 0 and 1. A QoS 2 message was passed on before its PUBREC; this is its release. */
  #onPublish(packet: IPublishPacket, done: (error?: Error) => void): void {
    if (packet.qos === 2) return done();
    const { messageId } = packet;
    const ack = packet.qos === 1
      ? () => this.#write({ cmd: "puback", messageId: messageId!, reasonCode: 0 })
      : undefined;
    this.listener.onMessage({ topic: packet.topic, payload: bytesOf(packet), ack }, () => done());
  }

  /**
   * Called when the client sends a packet. Its PUBACK and PUBREC are dropped: the message's own ack
   * sends them after the append. `done` lets the parser continue without waiting for that.
   */
  #onSend(packet: Packet, done: (() => void) | undefined, rest: unknown[]): void {
    if (packet.cmd === "puback" && !packet.reasonCode) return done?.();
    if (packet.cmd === "pubrec" && !packet.reasonCode) {
      return this.#onQos2(packet.messageId!, done ?? noop);
    }
    if (packet.cmd === "pubcomp") this.settings.inflightQos2.delete(packet.messageId!);
    this.#send(packet, done, ...rest);
  }

  #onQos2(messageId: number, done: () => void): void {
    const inflight = this.settings.inflightQos2;
    const known = inflight.get(messageId);
    if (known) {
      // Sent again after a reconnect: it must not be passed on twice.
      known.connection = this;
      if (known.stored) this.#write({ cmd: "pubrec", messageId });
      return done();
    }
    this.#internals.incomingStore.get({ cmd: "publish", messageId }, (error, packet) => {
      if (error || !packet) return done();
      const state = { stored: false, connection: this as Connection };
      inflight.set(messageId, state);
      const ack = () => {
        state.stored = true;
        state.connection.#write({ cmd: "pubrec", messageId });
      };
      const abandon = () => {
        if (inflight.get(messageId) === state) inflight.delete(messageId);
      };
      const message = { topic: packet.topic, payload: bytesOf(packet), ack, abandon };
      this.listener.onMessage(message, done);
    });
  }

  #refused(reason: Error | number, topic: string): Error {
    const code = typeof reason === "number" ? reason : (reason as { code?: unknown }).code;
    if (typeof code === "number" && code >= 128) {
      return new Error(refusedPublish(code, this.settings.at, topic));
    }
    return reason as Error;
  }

  /** Acks come by the hundreds, so they are sent in one write. */
  #write(packet: Packet): void {
    if (!this.#client.connected || this.#over) return;
    const { stream } = this.#internals;
    if (!this.#corked && stream.cork && stream.uncork) {
      this.#corked = true;
      stream.cork();
      queueMicrotask(() => {
        this.#corked = false;
        stream.uncork!();
      });
    }
    this.#send(packet);
  }

  #onError(error: Error): void {
    this.#problem ??= failure(error, this.settings.at, this.settings.names);
    // Not every error closes the stream, and a connection that is not closed would hang.
    this.#destroy();
  }

  #onClose(): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#closeTimer);
    const problem = this.#problem ?? this.#silentEnd();
    for (const reject of this.#unacked) {
      reject(new Error(`the connection was lost before the ack: ${problem.message}`));
    }
    this.#unacked.clear();
    // Once the broker has accepted the MQTT version, no error is caused by it.
    this.#close.resolve(
      this.#accepted ? new ConnectionProblem(problem.message, "fine", true) : problem,
    );
    this.#client.end(true);
  }

  #silentEnd(): ConnectionProblem {
    const { at, names } = this.settings;
    if (this.#accepted) return new ConnectionProblem(`${at} closed the connection`);
    const hint = names.silence ?? `does ${names.address} name the right port and scheme?`;
    return new ConnectionProblem(
      `${at} closed the connection before it answered; ${hint}`,
      "unanswered",
    );
  }

  #destroy(): void {
    if (this.#over) return;
    this.#internals.stream.destroy();
    // A stream that is destroyed before it opens may never emit `close`.
    this.#closeTimer ??= setTimeout(() => this.#onClose(), 1_000);
  }
}

function bytesOf(packet: IPublishPacket): Uint8Array {
  const { payload } = packet;
  return typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
}
