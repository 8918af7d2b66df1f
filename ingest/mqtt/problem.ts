/** Describes why a connection to a broker failed, and what to do about it. */

/** Names of the settings that a problem refers to; by default, the MQTT variables. */
export interface SettingNames {
  readonly address: string;
  readonly credentials: string;
  readonly ca: string;
  readonly clientId: string;
  /** The client certificate, if one is used. */
  readonly certificate?: string;
  readonly key?: string;
  /** The likely cause if the broker closes the connection without a reason. */
  readonly silence?: string;
}

export const MQTT_SETTINGS: SettingNames = {
  address: "BROKER_HOST",
  credentials: "MQTT_USERNAME and MQTT_PASSWORD",
  ca: "MQTT_CA_PATH",
  clientId: "MQTT_CLIENT_ID",
};

/** Why a connection, or an attempt to connect, ended. The message contains no secrets. */
export class ConnectionProblem extends Error {
  override readonly name = "ConnectionProblem";

  constructor(
    message: string,
    /** Whether the broker refused this version of MQTT, or did not answer it. */
    readonly version: "refused" | "unanswered" | "fine" = "fine",
    /** Whether the connection was established before it ended. */
    readonly accepted = false,
  ) {
    super(message);
  }
}

const UNSUPPORTED_VERSION = new Set([1, 132]);

/** Describes a CONNACK with an error; handles the codes of 3.1.1 and of 5. */
export function refusal(code: number, at: string, names: SettingNames): ConnectionProblem {
  const version = UNSUPPORTED_VERSION.has(code) ? "refused" : "fine";
  return new ConnectionProblem(
    `${at} refused the connection: ${meaning(code, names)}`,
    version,
  );
}

function meaning(code: number, names: SettingNames): string {
  switch (code) {
    case 1:
    case 132:
      return "it does not speak this version of MQTT";
    case 2:
    case 133:
      return `it does not accept the client id; check ${names.clientId}`;
    case 3:
    case 136:
      return "it is not available";
    case 4:
    case 134:
      return `user name or password is wrong; check ${names.credentials}`;
    case 5:
    case 135:
      return `this client is not authorized; check ${names.credentials}, and the broker's rules`;
    case 137:
      return "it is busy";
    case 138:
      return "this client is banned";
    case 151:
    case 159:
      return "its connection quota is used up";
    default:
      return `reason code ${code}`;
  }
}

/** Describes the DISCONNECT of an MQTT 5 broker. */
export function goodbye(code: number, at: string, clientId: string): string {
  switch (code) {
    case 139:
      return `${at} is shutting down`;
    case 141:
      return `${at} received nothing within the keep-alive time`;
    case 142:
      return `another client with the id ${clientId} connected to ${at}: ids must differ`;
    case 147:
      return `${at} closed the connection: more messages were in flight than it allows`;
    case 152:
      return `${at} closed the connection: administrative action`;
    default:
      return `${at} closed the connection with reason code ${code}`;
  }
}

interface SystemError extends Error {
  readonly code?: string | number;
}

/** Describes an error of the network, TLS or the MQTT library. */
export function failure(error: Error, at: string, names: SettingNames): ConnectionProblem {
  const { code, message } = error as SystemError;
  const text = `${code ?? ""} ${message}`;
  if (message === "connack timeout") {
    return new ConnectionProblem(
      `${at} gave no answer in time; is it an MQTT broker, and does ${names.address} name the ` +
        "right port and scheme?",
    );
  }
  if (message === "Keepalive timeout") {
    return new ConnectionProblem(`${at} did not answer a ping: the connection is dead`);
  }
  if (/ECONNREFUSED|connection refused/i.test(text)) {
    return new ConnectionProblem(`${at} refused the connection: nothing listens there; start it`);
  }
  if (/ENOTFOUND|EAI_AGAIN|failed to lookup/i.test(text)) {
    return new ConnectionProblem(`${at}: the host name is unknown; check ${names.address}`);
  }
  if (/ENETUNREACH|EHOSTUNREACH|ETIMEDOUT/i.test(text)) {
    return new ConnectionProblem(`${at} cannot be reached: there is no network route`);
  }
  const alert = /received fatal alert: ?(\w+)|alert (?:number )?(\d+)/i.exec(message);
  if (alert) {
    const about = names.certificate ? `; check ${names.certificate}` : "";
    return new ConnectionProblem(
      `${at} did not accept this client's certificate, or requires one (TLS alert ` +
        `${alert[1] ?? alert[2]})${about}`,
    );
  }
  if (/certificate|self.signed|UNABLE_TO|CERT_|TLS not authorized|ALTNAME/i.test(text)) {
    return new ConnectionProblem(
      `${at}: its certificate is not trusted (${short(message)}); set ${names.ca} to the CA that ` +
        "signed it, and use a host name that the certificate contains",
    );
  }
  if (/ECONNRESET|EPIPE|connection reset|broken pipe|closed/i.test(text)) {
    return new ConnectionProblem(`${at} closed the connection`, "unanswered");
  }
  return new ConnectionProblem(`${at}: ${short(message || String(code))}`, "unanswered");
}

/** The broker is busy, or a rate or quota is used up: the message may be accepted later. */
const TRANSIENT = new Set([137, 147, 150, 151]);

/** Describes an ack with an error. Except for transient codes, sending again does not help. */
export function refusedPublish(code: number, at: string, topic: string): string {
  if (TRANSIENT.has(code)) return `${at} could not accept the message to ${topic} (code ${code})`;
  const why = REFUSED_PUBLISHES[code] ?? `reason code ${code}`;
  return `${at} ${REFUSED} ${topic}: ${why}`;
}

const REFUSED = "refused the message to";
const REFUSED_PUBLISHES: Record<number, string> = {
  135: "this client is not authorized to publish there; check the broker's rules",
  144: "the topic's name is not allowed",
  149: "it is too large",
  153: "its format is not what it claims to be",
  155: "the broker does not support this QoS",
};

/**
 * Whether an error is a permanent one of {@linkcode refusedPublish}. Compares texts, because only
 * the text of an error crosses threads.
 */
export function isRefusedPublish(error: unknown): boolean {
  return error instanceof Error && error.message.includes(` ${REFUSED} `);
}

function short(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
