/** The worker of a Kafka source. */

import { runSource } from "../harness.ts";
import { KafkaSource, type KafkaSourceConfig } from "./source.ts";

runSource<KafkaSourceConfig>({ create: (config) => new KafkaSource(config) });
