/** The worker of the AWS IoT Core source. */

import { runSource } from "../runtime/worker_runtime.ts";
import { AwsIotSource, type AwsIotSourceConfig } from "./source.ts";

runSource<AwsIotSourceConfig>({ create: (config, context) => new AwsIotSource(config, context) });
