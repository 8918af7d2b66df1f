/** The worker of a Kafka source. */

import { runSource } from "../runtime/worker_runtime.ts";
import { KafkaSource, type KafkaSourceConfig } from "./source.ts";

runSource<KafkaSourceConfig>({ create: (config) => new KafkaSource(config) });
