/** Describes errors of Kafka, and what to do about them. */

import { shownAddress } from "./address.ts";

interface KafkaError extends Error {
  /** Kafka's name for the error. */
  readonly type?: string;
  readonly code?: string;
  readonly broker?: string;
}

const BY_TYPE: Readonly<Record<string, string>> = {
  GROUP_AUTHORIZATION_FAILED: "the user may not use the group: check KAFKA_GROUP_ID and the ACLs",
  TOPIC_AUTHORIZATION_FAILED: "the user may not read a topic: check KAFKA_TOPIC and the ACLs",
  UNKNOWN_TOPIC_OR_PARTITION: "a topic or partition no longer exists",
  LEADER_NOT_AVAILABLE: "a partition has no leader",
  UNSUPPORTED_SASL_MECHANISM:
    "the broker does not know the SASL mechanism: check KAFKA_SASL_MECHANISM",
  ILLEGAL_SASL_STATE:
    "the broker takes no user name at this port: unset KAFKA_USERNAME, or use its SASL port",
  INCONSISTENT_GROUP_PROTOCOL:
    "other members of the group assign partitions in another way: use a KAFKA_GROUP_ID of its own",
};

/** Brokers close at once if they require TLS, a certificate or a password and did not get it. */
const CLOSED = "the broker closed the connection; if this repeats, check KAFKA_SSL, " +
  "KAFKA_USERNAME, and the certificate at KAFKA_CERT_PATH";

const BY_NAME: Readonly<Record<string, string>> = {
  KafkaJSSASLAuthenticationError:
    "authentication failed: check KAFKA_USERNAME, KAFKA_PASSWORD and KAFKA_SASL_MECHANISM",
  KafkaJSConnectionClosedError: CLOSED,
  KafkaJSNoBrokerAvailableError: "no broker is reachable",
  KafkaJSGroupCoordinatorNotFound: "the group has no coordinator",
};

const BY_CODE: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ENOTFOUND: "host name not found",
  EAI_AGAIN: "host name not found, maybe only for now",
  ECONNRESET: "connection reset",
  EPIPE: CLOSED,
  EHOSTUNREACH: "host unreachable",
};

const BY_TEXT: readonly (readonly [RegExp, string])[] = [
  [
    /before secure TLS connection was established|wrong version number/,
    "no TLS at this port: check KAFKA_SSL",
  ],
  // The client sent something before it had read why the broker closed the connection.
  [/write after end/, CLOSED],
];

/** A reason for the state and the log, without code locations and without secrets. */
export function reasonOf(error: unknown): string {
  const chain = causes(error);
  for (const { type, name } of chain) {
    const known = (type && BY_TYPE[type]) || BY_NAME[name];
    if (known) return known;
  }
  const codec = chain.find(({ name }) => name === "KafkaJSNotImplemented");
  if (codec) return `a batch is compressed in a way that is not supported: ${codec.message}`;
  const last = chain.at(-1);
  if (!last) return String(error);
  const broker = chain.find(({ broker }) => broker !== undefined)?.broker;
  const why = BY_TEXT.find(([text]) => text.test(last.message))?.[1] ??
    (last.code && BY_CODE[last.code]) ?? last.message;
  return broker === undefined || why.includes(broker) ? why : `${shownAddress(broker)}: ${why}`;
}

/** Whether any error in the chain of causes has Kafka's error `type`. */
export function isRefused(error: unknown, type: string): boolean {
  return causes(error).some((cause) => cause.type === type);
}

function causes(error: unknown): KafkaError[] {
  const chain: KafkaError[] = [];
  for (let cause = error; cause instanceof Error && chain.length < 10; cause = cause.cause) {
    chain.push(cause);
  }
  return chain;
}
