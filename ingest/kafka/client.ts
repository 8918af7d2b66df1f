/** Makes the kafkajs client from the configuration. */

import { connect as connectTcp, isIP } from "node:net";
import { connect as connectTls } from "node:tls";
import kafkajs, {
  type ISocketFactoryArgs,
  type Kafka,
  type KafkaConfig as ClientConfig,
  type SASLOptions,
} from "kafkajs";
import type { KafkaSourceConfig } from "./settings.ts";
import type { SourceLogLevel } from "../runtime/source.ts";
import { hostOf, toKafkajs } from "./address.ts";
import { registerCodecs } from "./codecs.ts";
import { kafkaLog } from "./kafka_log.ts";
import { tameRequestQueue } from "./request_queue.ts";
import { tlsOptions } from "./tls_files.ts";

/** Retries within kafkajs; after them the connection is dropped and replaced by a new one. */
const RETRY = { initialRetryTime: 100, maxRetryTime: 1_000, retries: 3 };
const KEEP_ALIVE_MS = 30_000;

/** @throws {Error} if a certificate file cannot be used. */
export async function kafkaClient(
  config: KafkaSourceConfig,
  log: (level: SourceLogLevel, text: string) => void,
): Promise<Kafka> {
  registerCodecs();
  tameRequestQueue();
  const ssl = await tlsOptions(config);
  return new kafkajs.Kafka({
    clientId: config.clientId,
    brokers: config.servers.map(toKafkajs),
    connectionTimeout: 5_000,
    authenticationTimeout: 10_000,
    requestTimeout: 20_000,
    retry: { ...RETRY, restartOnFailure: () => Promise.resolve(false) },
    logLevel: kafkajs.logLevel.WARN,
    logCreator: kafkaLog(log, config.sasl ? [config.sasl.password] : []),
    socketFactory,
    ...(ssl && { ssl: ssl as ClientConfig["ssl"] & object }),
    ...(config.sasl && { sasl: { ...config.sasl } as SASLOptions }),
  });
}

/** Disables Nagle's algorithm, which kafkajs leaves on, so that data is sent at once. */
function socketFactory({ host, port, ssl, onConnect }: ISocketFactoryArgs) {
  const address = { host: hostOf(host), port };
  const name = isIP(address.host) === 0 ? { servername: address.host } : {};
  const socket = ssl
    ? connectTls({ ...address, ...name, ...ssl }, onConnect)
    : connectTcp(address, onConnect);
  socket.setNoDelay(true);
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  return socket;
}
