/** From a source's configuration to the options of npm:mqtt. */

import { X509Certificate } from "node:crypto";
import type { IClientOptions } from "mqtt";
import { ConnectionProblem, MQTT_SETTINGS, type SettingNames } from "./problem.ts";

/** Where and how to connect; shared by the MQTT sources. */
export interface BrokerConfig {
  /** `mqtt://`, `mqtts://`, `ws://` or `wss://`, without credentials. */
  readonly url: string;
  readonly clientId: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** PEM file with one or more certificates; read anew for each connection. */
  readonly caPath?: string | undefined;
  /** False: the broker keeps subscriptions and messages while this client is away. */
  readonly clean: boolean;
  /** How long it keeps them. MQTT 5 only: older brokers decide for themselves. */
  readonly sessionExpirySeconds?: number | undefined;
  readonly connectTimeoutMs?: number | undefined;
  readonly keepaliveSeconds?: number | undefined;
  readonly names?: SettingNames | undefined;
}

export type MqttVersion = 4 | 5;

/** QoS 1 and 2 messages that an MQTT 5 broker may have in flight to this client. */
export const RECEIVE_MAXIMUM = 1_000;
export const KEEPALIVE_SECONDS = 30;
const SESSION_EXPIRY_SECONDS = 24 * 60 * 60;
const DEFAULT_PORTS: Record<string, number> = { mqtt: 1883, mqtts: 8883, ws: 80, wss: 443 };

/** `host:port`, as it stands in messages. */
export function addressOf(url: string): string {
  const { protocol, hostname, port } = new URL(url);
  return `${hostname}:${port || DEFAULT_PORTS[protocol.slice(0, -1)]}`;
}

/** @throws {ConnectionProblem} where the CA file cannot be read or holds no certificate. */
export async function connectOptions(
  config: BrokerConfig,
  version: MqttVersion,
): Promise<IClientOptions> {
  const url = new URL(config.url);
  const protocol = url.protocol.slice(0, -1) as "mqtt" | "mqtts" | "ws" | "wss";
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const path = `${url.pathname || "/"}${url.search}`;
  const ca = config.caPath === undefined
    ? undefined
    : await readCa(config.caPath, config.names ?? MQTT_SETTINGS);
  return {
    protocol,
    host,
    hostname: host,
    port: Number(url.port) || DEFAULT_PORTS[protocol]!,
    path,
    // The library joins host and port itself, and leaves out the brackets of an IPv6 address.
    transformWsUrl: () => `${protocol}://${url.host}${path}`,
    protocolVersion: version,
    clientId: config.clientId,
    clean: config.clean,
    ...(config.username !== undefined && { username: config.username }),
    ...(config.password !== undefined && { password: config.password }),
    ...(ca && { ca }),
    keepalive: config.keepaliveSeconds ?? KEEPALIVE_SECONDS,
    connectTimeout: config.connectTimeoutMs ?? 10_000,
    // Reconnecting and subscribing again are the source's own: each connection is a new client.
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    ...(version === 5 && {
      properties: {
        receiveMaximum: RECEIVE_MAXIMUM,
        ...(!config.clean && {
          sessionExpiryInterval: config.sessionExpirySeconds ?? SESSION_EXPIRY_SECONDS,
        }),
      },
    }),
  };
}

/** TLS ignores a file without certificates in silence, so it is looked at here. */
async function readCa(path: string, names: SettingNames): Promise<string[]> {
  let pem: string;
  try {
    pem = await Deno.readTextFile(path);
  } catch (error) {
    const why = error instanceof Error ? error.name : String(error);
    throw new ConnectionProblem(`the file of ${names.ca} cannot be read (${why})`);
  }
  const certificates = pem.match(
    /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g,
  ) ?? [];
  try {
    for (const certificate of certificates) new X509Certificate(certificate);
  } catch {
    throw new ConnectionProblem(`the file of ${names.ca} holds a certificate that is damaged`);
  }
  if (certificates.length === 0) {
    throw new ConnectionProblem(`the file of ${names.ca} holds no PEM certificate`);
  }
  return certificates;
}
