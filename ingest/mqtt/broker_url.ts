/** Parses the broker address of a variable. */

export interface BrokerUrl {
  readonly url: URL;
  /** Undefined if the value has no port; MQTT_PORT may then set it. */
  readonly port: number | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

const BROKER_SCHEMES = new Set(["mqtt:", "mqtts:", "ws:", "wss:"]);

/** Parses `host`, `host:port` or a URL; a returned string says what is wrong. */
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
    return "must encode % in its user name and password as %25";
  }
  url.username = "";
  url.password = "";
  return { url, port: url.port === "" ? undefined : Number(url.port), username, password };
}

/** Null if it is not URL-encoded. */
function decoded(part: string): string | undefined | null {
  if (part === "") return undefined;
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}
