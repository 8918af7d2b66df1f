/** The worker of an MQTT source. */

import { runSource } from "../runtime/worker_runtime.ts";
import { MqttSource, type MqttSourceConfig } from "./source.ts";

runSource<MqttSourceConfig>({ create: (config, context) => new MqttSource(config, context) });
