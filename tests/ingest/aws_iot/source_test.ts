import assert from "node:assert/strict";
import { mqttConfigOf } from "../../../ingest/aws_iot/source.ts";
import { AwsIotConfigError, sourceConfigOf } from "../../../ingest/aws_iot/service_config.ts";

const CONFIG = { certPath: "c", keyPath: "k", caPath: "a", clientId: "bombercat-1" };

Deno.test("port 443 uses AWS's ALPN protocol, and the default port 8883 uses none", () => {
  const of = (endpoint: string) => {
    const { url, alpnProtocols } = mqttConfigOf(sourceConfigOf({ ...CONFIG, endpoint }));
    return [url, alpnProtocols];
  };
  const host = "x-ats.iot.us-east-1.amazonaws.com";
  assert.deepEqual(of(host), [`mqtts://${host}:8883`, undefined]);
  assert.deepEqual(of(`${host}:443`), [`mqtts://${host}:443`, ["x-amzn-mqtt-ca"]]);
});

Deno.test("the error for an invalid endpoint names AWS_IOT_ENDPOINT", () => {
  assert.throws(
    () => sourceConfigOf({ ...CONFIG, endpoint: "https://x" }),
    (error) => error instanceof AwsIotConfigError && /^AWS_IOT_ENDPOINT must/.test(error.message),
  );
});
