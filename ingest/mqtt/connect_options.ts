/** Converts a source's configuration into options of npm:mqtt. */

import { X509Certificate } from "node:crypto";
import type { IClientOptions } from "mqtt";
import { certificateProblem, certificatesIn, keyProblem, readProblem } from "../../config/pem.ts";
import { ConnectionProblem, MQTT_SETTINGS, type SettingNames } from "./problem.ts";

/** Where and how to connect; shared by the MQTT sources. */
export interface BrokerConfig {
  /** `mqtt://`, `mqtts://`, `ws://` or `wss://`, without credentials. */
  readonly url: string;
  readonly clientId: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** PEM file with one or more certificates; read again for each connection. */
  readonly caPath?: string | undefined;
  /** PEM files of a client certificate and its key; read again for each connection. */
  readonly certPath?: string | undefined;
  readonly keyPath?: string | undefined;
  /** ALPN protocol names, for a port that serves several protocols. */
  readonly alpnProtocols?: readonly string[] | undefined;
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
/** A broker drops larger packets, so they take no memory here. Smaller messages are counted. */
const MAX_PACKET_BYTES = 16 * 1024 * 1024;
export const KEEPALIVE_SECONDS = 30;
const SESSION_EXPIRY_SECONDS = 24 * 60 * 60;
const DEFAULT_PORTS: Record<string, number> = { mqtt: 1883, mqtts: 8883, ws: 80, wss: 443 };

/** `host:port`, as shown in messages. */
export function addressOf(url: string): string {
  const { protocol, hostname, port } = new URL(url);
  return `${hostname}:${port || DEFAULT_PORTS[protocol.slice(0, -1)]}`;
}

/** @throws {ConnectionProblem} if a TLS file cannot be read or has the wrong content. */
export async function connectOptions(
  config: BrokerConfig,
  version: MqttVersion,
): Promise<IClientOptions> {
  const url = new URL(config.url);
  const protocol = url.protocol.slice(0, -1) as "mqtt" | "mqtts" | "ws" | "wss";
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const path = `${url.pathname || "/"}${url.search}`;
  const names = config.names ?? MQTT_SETTINGS;
  const ca = config.caPath === undefined ? undefined : await readCa(config.caPath, names);
  const identity = await readIdentity(config, names);
  return {
    protocol,
    host,
    hostname: host,
    port: Number(url.port) || DEFAULT_PORTS[protocol]!,
    path,
    // On its own, the library joins host and port without the brackets of an IPv6 address.
    transformWsUrl: () => `${protocol}://${url.host}${path}`,
    protocolVersion: version,
    clientId: config.clientId,
    clean: config.clean,
    ...(config.username !== undefined && { username: config.username }),
    ...(config.password !== undefined && { password: config.password }),
    ...(ca && { ca }),
    ...identity,
    ...(config.alpnProtocols && { ALPNProtocols: [...config.alpnProtocols] }),
    keepalive: config.keepaliveSeconds ?? KEEPALIVE_SECONDS,
    connectTimeout: config.connectTimeoutMs ?? 10_000,
    // The source itself reconnects and resubscribes: each connection is a new client.
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    ...(version === 5 && {
      properties: {
        receiveMaximum: RECEIVE_MAXIMUM,
        maximumPacketSize: MAX_PACKET_BYTES,
        ...(!config.clean && {
          sessionExpiryInterval: config.sessionExpirySeconds ?? SESSION_EXPIRY_SECONDS,
        }),
      },
    }),
  };
}

/** TLS silently ignores a file without certificates, so it is checked here. */
async function readCa(path: string, names: SettingNames): Promise<string[]> {
  let pem: string;
  try {
    pem = await Deno.readTextFile(path);
  } catch (error) {
    const why = error instanceof Error ? error.name : String(error);
    throw new ConnectionProblem(`the file at ${names.ca} cannot be read (${why})`);
  }
  const certificates = certificatesIn(pem);
  try {
    for (const certificate of certificates) new X509Certificate(certificate);
  } catch {
    throw new ConnectionProblem(`the file at ${names.ca} contains a damaged certificate`);
  }
  if (certificates.length === 0) {
    throw new ConnectionProblem(`the file at ${names.ca} contains no PEM certificate`);
  }
  return certificates;
}

/** The client's certificate and key; empty if no certificate is configured. */
async function readIdentity(
  { certPath, keyPath }: BrokerConfig,
  names: SettingNames,
): Promise<{ cert?: string; key?: string }> {
  if (certPath === undefined || keyPath === undefined) return {};
  const setting = { cert: names.certificate ?? "certPath", key: names.key ?? "keyPath" };
  const cert = await readPem(certPath, setting.cert);
  const key = await readPem(keyPath, setting.key);
  const wrong = certificateProblem(cert, Date.now());
  if (wrong) throw new ConnectionProblem(`${setting.cert} ${wrong}`);
  const unfit = keyProblem(key, cert);
  if (unfit) throw new ConnectionProblem(`${setting.key} ${unfit}`);
  return { cert, key };
}

async function readPem(path: string, setting: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    throw new ConnectionProblem(`${setting} ${readProblem(error)}`);
  }
}
