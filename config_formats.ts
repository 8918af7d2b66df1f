/** The forms of values that the environment holds: addresses, topics, flags. */

import type { z } from "zod";

export const CLI_FLAGS: ReadonlySet<string> = new Set([
  "--mqtt",
  "--websocket",
  "--both",
  "--kafka",
  "--iot",
  "--no-http",
  "--check",
  "--shadow",
  "--dev",
  "--help",
  "-h",
]);

export interface BrokerUrl {
  readonly url: URL;
  /** Undefined where the value names none, and MQTT_PORT may. */
  readonly port: number | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

const BROKER_SCHEMES = new Set(["mqtt:", "mqtts:", "ws:", "wss:"]);

/** `host`, `host:port` or a URL; a string says what is wrong with it. */
export function brokerUrl(value: string): BrokerUrl | string {
  const url = URL.parse(value.includes("://") ? value : `mqtt://${value}`);
  if (!url || !url.hostname || /\s/.test(value) || /,/.test(url.hostname) || url.port === "0") {
    return "must be host, host:port or a URL such as mqtts://host:8883";
  }
  if (!BROKER_SCHEMES.has(url.protocol)) {
    return "must be a mqtt://, mqtts://, ws:// or wss:// URL";
  }
  const username = decoded(url.username);
  const password = decoded(url.password);
  if (username === null || password === null) {
    return "must have % in its user name and password written as %25";
  }
  url.username = "";
  url.password = "";
  return { url, port: url.port === "" ? undefined : Number(url.port), username, password };
}

/** Null where it is not encoded as URLs are. */
function decoded(part: string): string | undefined | null {
  if (part === "") return undefined;
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}

/** `host`, `host:port`, `[v6]` or `[v6]:port`. */
export function hostAndPort(
  value: string,
  defaultPort: number,
  context: z.RefinementCtx,
): { host: string; port: number } {
  const parts = /^(\[[0-9a-fA-F:.]+\]|[^\s:/@[\]]+)(?::(\d{1,5}))?$/.exec(value);
  const port = Number(parts?.[2] ?? defaultPort);
  if (!parts || port < 1 || port > 65_535) {
    context.addIssue("must be host or host:port");
    return { host: "", port: defaultPort };
  }
  return { host: parts[1]!, port };
}

/** Whether MQTT allows the filter: `#` alone as the last level, `+` alone in a level. */
export function isTopicFilter(filter: string): boolean {
  if (filter === "" || filter.includes("\0") || new TextEncoder().encode(filter).length > 65_535) {
    return false;
  }
  const levels = filter.split("/");
  return levels.every((level, i) =>
    level === "#" ? i === levels.length - 1 : level === "+" || !/[#+]/.test(level)
  );
}

/** What is wrong with the name of a Kafka topic, with the legal name to use; or undefined. */
export function kafkaTopicProblem(topic: string): string | undefined {
  if (/^[A-Za-z0-9._-]{1,249}$/.test(topic) && topic !== "." && topic !== "..") return undefined;
  // A value is never told, but this one is the name that everybody was given.
  const instead = topic === "tracking/data" ? "tracking.data" : "another name";
  return "names a topic that Kafka does not allow (letters, digits, '.', '_' and '-' only): " +
    `use ${instead}, and create the topic by that name`;
}
