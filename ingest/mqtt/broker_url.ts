/** The address of a broker, as a variable holds it. */

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
