/** What AWS IoT Core is known by, and where its limits lie. */

import type { SettingNames } from "../mqtt/problem.ts";

/** Settings that the messages about a connection point to. */
export const AWS_IOT_SETTINGS: SettingNames = {
  address: "AWS_IOT_ENDPOINT",
  credentials: "the policy of the certificate (iot:Connect for the id in AWS_IOT_CLIENT_ID)",
  ca: "AWS_IOT_CA_PATH",
  clientId: "AWS_IOT_CLIENT_ID",
  certificate: "AWS_IOT_CERT_PATH",
  key: "AWS_IOT_KEY_PATH",
  silence:
    "is the certificate active, and does its policy allow iot:Connect for the id in AWS_IOT_CLIENT_ID?",
};

export const TELEMETRY_TOPIC = "bombercat/telemetry";
export const EVENTS_TOPIC = "bombercat/events";

/** On this port AWS tells MQTT from HTTPS by ALPN. */
export const ALPN_PORT = 443;
export const ALPN_PROTOCOL = "x-amzn-mqtt-ca";

/** AWS takes 128 KB in one message. */
export const MAX_PAYLOAD_BYTES = 131_072;
/** AWS takes topics of 256 bytes. */
export const MAX_TOPIC_BYTES = 256;
/** And with seven slashes. */
export const MAX_TOPIC_LEVELS = 8;
/**
 * AWS takes 100 publishes a second from one connection, and drops what is beyond. A second holds at
 * most the rate and the burst: 98.
 */
export const PUBLISHES_PER_SECOND = 90;
export const PUBLISH_BURST = 8;
/** AWS takes 100 messages from one connection that it has not acknowledged. */
export const MAX_IN_FLIGHT = 50;
/** AWS keeps a session for an hour, unless an account asks for more. */
export const SESSION_EXPIRY_SECONDS = 3_600;
/** Large enough that it pays, and that what consumers know of small payloads stays true. */
export const GZIP_BYTES = 32_768;
