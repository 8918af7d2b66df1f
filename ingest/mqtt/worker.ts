/** The worker of an MQTT source. */

import { runSource } from "../harness.ts";
import { MqttSource, type MqttSourceConfig } from "./source.ts";

runSource<MqttSourceConfig>({ create: (config, context) => new MqttSource(config, context) });
