/** Names and limits of AWS IoT Core. */

import type { SettingNames } from "../mqtt/problem.ts";

/** The settings that messages about a connection refer to. */
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

/** On this port AWS uses ALPN to tell MQTT from HTTPS. */
export const ALPN_PORT = 443;
export const ALPN_PROTOCOL = "x-amzn-mqtt-ca";

/** AWS accepts up to 128 KB per message. */
export const MAX_PAYLOAD_BYTES = 131_072;
/** AWS accepts topics of up to 256 bytes. */
export const MAX_TOPIC_BYTES = 256;
/** AWS accepts topics with up to seven slashes. */
export const MAX_TOPIC_LEVELS = 8;
/**
 * AWS accepts 100 publishes a second per connection and drops the rest. Within a second the rate
 * and the burst allow at most 98.
 */
export const PUBLISHES_PER_SECOND = 90;
export const PUBLISH_BURST = 8;
/** AWS accepts up to 100 unacknowledged messages per connection. */
export const MAX_IN_FLIGHT = 50;
/** AWS keeps a session for an hour, unless the account's limit is raised. */
export const SESSION_EXPIRY_SECONDS = 3_600;
/** From this size compression pays off; consumers still get small payloads uncompressed. */
export const GZIP_BYTES = 32_768;
